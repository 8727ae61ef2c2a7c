"""What the service counts for Prometheus. Labels are bounded: no path, key or text of a caller is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Lock

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from serving.scorer import Scores

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0)
DELIVERY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 600.0, 3600.0, 86_400.0)
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
TOGETHER = 64  # texts whose scores are counted at once
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """One application's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter("evenhand_requests", "Requests answered.", ["dialect", "status"], registry=registry)
        # What `labels` returned: it takes longer than to count.
        self._requests: dict[tuple[str, int], Counter] = {}
        self._seconds: dict[str, Histogram] = {}
        self.request_seconds = Histogram(
            "evenhand_request_seconds", "From a request's first byte to its answer.", ["dialect"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.queue_depth = Gauge("evenhand_queue_depth", "Texts that wait to be scored.", registry=registry)
        self.queue_seconds = Histogram(
            "evenhand_queue_seconds", "How long a text waited to be scored.", buckets=SECONDS, registry=registry
        )
        self.batch_size = Histogram("evenhand_batch_size", "Texts in a batch.", buckets=SIZES, registry=registry)
        self.inference_seconds = Histogram(
            "evenhand_inference_seconds", "Time to score a batch.", buckets=SECONDS, registry=registry
        )
        self.cache_hits = Counter("evenhand_cache_hits", "Texts whose scores were known.", registry=registry)
        self.cache_misses = Counter("evenhand_cache_misses", "Texts that had to be scored.", registry=registry)
        self.dropped = Counter(
            "evenhand_dropped_texts", "Texts dropped before inference: nobody waited any more.", registry=registry
        )
        self.deadlines = Counter("evenhand_deadlines_exceeded", "Requests out of time.", registry=registry)
        self.failures = Counter("evenhand_inference_failures", "Batches on which inference failed.", registry=registry)
        self.reloads = Counter("evenhand_reloads", "Attempts to load a new model.", ["outcome"], registry=registry)
        self.feedback = Counter("evenhand_feedback", "Suggested scores that were stored.", registry=registry)
        self.comments = Counter(
            "evenhand_comments", "Comments sent to be moderated, by what was answered.", ["outcome"], registry=registry
        )
        self.reports = Counter("evenhand_reports", "Reports, by what was answered.", ["outcome"], registry=registry)
        self.cases_opened = Counter("evenhand_cases_opened", "Cases opened, by why.", ["origin"], registry=registry)
        self.cases_open = Gauge("evenhand_cases_open", "Cases that wait for a person.", registry=registry)
        self.webhooks = Counter("evenhand_webhooks", "Attempts to deliver a webhook.", ["outcome"], registry=registry)
        self.webhook_seconds = Histogram(
            "evenhand_webhook_seconds", "From an event to its delivery.", buckets=DELIVERY_SECONDS, registry=registry
        )
        self.webhooks_waiting = Gauge("evenhand_webhooks_waiting", "Webhooks to be delivered yet.", registry=registry)
        self.model = Gauge("evenhand_model", "1 for the model that answers.", ["name", "version"], registry=registry)
        self._scores = Distributions()
        registry.register(self._scores)

    def show_model(self, name: str, version: str) -> None:
        """Names the model that answers from now on."""
        self.model.clear()
        self.model.labels(name, version).set(1)

    def batch(self, waited: Sequence[float], took: float, scores: Sequence[Scores]) -> None:
        """Counts one inference: seconds that each text waited, seconds it took, and what came of it."""
        for seconds in waited:
            self.queue_seconds.observe(seconds)
        self.batch_size.observe(len(scores))
        self.inference_seconds.observe(took)
        self._scores.observe(scores)

    def request(self, dialect: str, status: int, took: float) -> None:
        """Counts one request that was answered after `took` seconds."""
        counter = self._requests.get((dialect, status))
        if counter is None:
            counter = self._requests[dialect, status] = self.requests.labels(dialect, str(status))
        counter.inc()
        timer = self._seconds.get(dialect)
        if timer is None:
            timer = self._seconds[dialect] = self.request_seconds.labels(dialect)
        timer.observe(took)

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)


class Distributions(Collector):
    """How the scores of each attribute are distributed: a drift is the first sign that comments, or the model, have
    changed. Counted for many texts at once, since a histogram of the library for each attribute takes longer in all
    than reading the request.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: list[Scores] = []
        # Names of a model's attributes -> how many scores are in each tenth, and their sum.
        self._counted: dict[tuple[str, ...], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = {}

    def observe(self, scores: Sequence[Scores]) -> None:
        """Counts the scores of texts, at least one, that one model gave."""
        with self._lock:
            self._pending += scores
            if len(self._pending) >= TOGETHER:
                self._count()

    def _count(self) -> None:
        """Counts what is pending. Holds the lock."""
        pending, self._pending = self._pending, []
        for names, rows in groupby(pending, lambda row: row.names):
            values = np.array([row.values_ for row in rows])
            cells = np.searchsorted(TENTHS, values) + np.arange(len(names)) * (len(TENTHS) + 1)
            counts = np.bincount(cells.ravel(), minlength=len(names) * (len(TENTHS) + 1)).reshape(len(names), -1)
            before = self._counted.get(names, (0, 0))
            self._counted[names] = before[0] + counts, before[1] + values.sum(axis=0)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Called by the library for each look at the metrics."""
        family = HistogramMetricFamily(
            "evenhand_score", "Scores given, by attribute; a cached score counts once.", labels=["attribute"]
        )
        with self._lock:
            self._count()
            counted = dict(self._counted)
        found: dict[str, tuple[npt.NDArray[np.int64], float]] = {}
        for names, (counts, sums) in counted.items():
            for name, row, total in zip(names, counts, sums, strict=True):
                before = found.get(name, (0, 0.0))
                found[name] = before[0] + row, before[1] + float(total)
        limits = [*map(floatToGoString, TENTHS), "+Inf"]
        for name, (row, total) in found.items():
            family.add_metric([name], list(zip(limits, np.cumsum(row).tolist(), strict=True)), total)
        yield family
