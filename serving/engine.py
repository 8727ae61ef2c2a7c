"""The asynchronous micro-batcher in front of the scorer: every dialect asks it, and only it, for scores.

Texts wait in one bounded queue; each worker takes what has gathered, scores it as one batch on a thread,
and hands the scores back. While a worker is idle a text does not wait at all; while all are busy the
queue itself makes the batches.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from cachetools import LRUCache

from serving.artifact import Artifact, ArtifactError, Manifest
from serving.cpu import cores
from serving.metrics import Metrics
from serving.scorer import Scorer, Scores

WARM_UP = "One warm-up prediction, so that the first reader does not wait for it."

# One batch. Texts of like length share an inference inside the scorer; characters bound how long a worker is
# away. Half of the clients' requests are read and answered while the other half is scored: docs/performance.md.
BATCH_TEXTS = 32
BATCH_CHARACTERS = 16_384
# Requests of more than their share that are served at a time: the rest of the queue is for others.
BULK_REQUESTS = 2


class EngineError(Exception):
    """The engine has no scores for a request. The message is fit for a caller."""


class NotReadyError(EngineError):
    """No model is loaded yet, or inference fails."""


class BusyError(EngineError):
    """The queue is full. `retry_after` is a guess at when it will not be, in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The service has more to score than it can; try again later.")
        self.retry_after = retry_after


class DeadlineError(EngineError):
    """The scores would have come too late."""


class InferenceError(EngineError):
    """The runtime failed on a batch; the service is not ready until one succeeds."""


@dataclass(frozen=True)
class Limits:
    """How much the engine takes on: `queue` texts waiting, `deadline` seconds for a share of a
    request, `wait` seconds at most to let a batch fill while requests keep coming, `cache` texts whose
    scores are kept.
    """

    queue: int = 256
    deadline: float = 5.0
    wait: float = 0.0
    cache: int = 20_000


@dataclass(frozen=True)
class Scored:
    """Scores in the order of the texts, and the model that gave them."""

    model: Manifest
    scores: list[Scores]


@dataclass(frozen=True, eq=False)
class _Loaded:
    """One model with the scores that it gave: a new model starts with an empty cache."""

    scorer: Scorer
    cache: LRUCache[bytes, Scores]


@dataclass(frozen=True, eq=False, slots=True)
class _Item:
    text: str
    digest: bytes
    answer: asyncio.Future[tuple[_Loaded, Scores]]
    since: float = field(default_factory=time.perf_counter)


class Engine:
    """Scores texts for concurrent requests on `workers` threads (0: one for each core), each with
    `threads` inferences at a time (0: one for each core).

    Use on one event loop: `start`, then `score` from any task, then `stop`.
    """

    def __init__(self, path: Path | None, metrics: Metrics, limits: Limits, threads: int = 1, workers: int = 0) -> None:
        """Verifies the artifact at `path` (None: the one that ships). Raises ArtifactError."""
        self._path = path
        self._artifact = Artifact.load(path)
        self._metrics = metrics
        self._limits = limits
        self._threads = threads
        self._workers = workers or cores()
        # What one request may have in the queue at a time: work for every worker, and room for others.
        self._share = max(BATCH_TEXTS, min(BATCH_TEXTS * self._workers, limits.queue // 4))
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="scoring")
        self._queue: deque[_Item] = deque()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._loaded: _Loaded | None = None
        self._failed = False
        self._bulk = 0
        self._idle = 0
        self._last_batch = 0
        self._rate = 200.0  # texts a second, smoothed: for Retry-After only
        self._reloading = asyncio.Lock()
        metrics.queue_depth.set_function(lambda: len(self._queue))

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that answers. Raises NotReadyError."""
        return self._current().scorer.manifest

    @property
    def attributes(self) -> tuple[str, ...]:
        """What the loaded model scores. Raises NotReadyError."""
        return self._current().scorer.attributes

    @property
    def idle(self) -> bool:
        """Nothing waits or is being scored."""
        return not self._queue and self._idle == self._workers

    @property
    def ready(self) -> bool:
        """A model is loaded and warm, and the last inference succeeded."""
        return self._loaded is not None and not self._failed

    async def start(self, path: Path | None = None) -> None:
        """Starts the workers, then loads and warms the model: that at `path`, or else that which it was made with.

        Raises ArtifactError; `reload` or `use` may mend that.
        """
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        if path is None:
            await self._load(self._artifact)
        else:
            await self.use(path)

    async def stop(self) -> None:
        """Stops the workers; what still waits, or comes later, is refused."""
        self._loaded = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._queue:
            self._resolve(self._queue.popleft(), NotReadyError("The service is stopping."))
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def reload(self) -> Manifest:
        """Loads the artifact again from where it came: verified, warmed up, then swapped in between two
        batches; no request is lost. Raises ArtifactError, and keeps the old model, if the new one is bad.
        """
        return await self.use(self._path)

    async def use(self, path: Path | None) -> Manifest:
        """Loads another artifact (None: the one that ships) in the same way, and reloads from there from now on."""
        async with self._reloading:
            artifact = await asyncio.to_thread(Artifact.load, path)
            manifest = await self._load(artifact)
            self._path = path
            return manifest

    async def probe(self) -> None:
        """Makes sure that the engine is ready: if it is not, scores one text, so that a mended runtime is again.

        Raises EngineError.
        """
        if self.ready:
            return
        await self._scored([self._enter(WARM_UP, b"")])

    async def score(self, texts: Sequence[str]) -> Scored:
        """Scores of each text, in order. Cancelling the call takes what still waits out of the queue.

        Raises ScoringError for a text without a visible character, NotReadyError, BusyError, DeadlineError,
        InferenceError.
        """
        loaded = self._current()
        clean = loaded.scorer.clean(texts)
        bulk = len(clean) > self._share
        if bulk and self._bulk >= BULK_REQUESTS:
            raise self._busy()
        self._bulk += bulk
        try:
            answers: list[tuple[_Loaded, Scores]] = []
            for part in parts(clean, self._share):
                answers += await self._part(loaded, part, admitted=bool(answers))
            if any(by is not answers[0][0] for by, _ in answers[1:]):
                # The model changed on the way: one answer never mixes two.
                answers = []
                for part in parts(clean, self._share):
                    answers += await self._part(self._current(), part, admitted=True)
        finally:
            self._bulk -= bulk
        by = answers[0][0] if answers else loaded
        return Scored(by.scorer.manifest, [scores for _, scores in answers])

    def check_room(self) -> None:
        """Raises BusyError if the queue is full."""
        if len(self._queue) >= self._limits.queue:
            raise self._busy()

    def _busy(self) -> BusyError:
        return BusyError(max(1, math.ceil(len(self._queue) / self._rate)))

    async def _part(self, loaded: _Loaded, texts: Sequence[str], *, admitted: bool) -> list[tuple[_Loaded, Scores]]:
        """Scores of one share of a request, from the cache or the queue.

        A full queue refuses what it would have to score, unless the request is `admitted`: under way already.
        """
        digests = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        known = [loaded.cache.get(digest) for digest in digests]
        if not admitted and not all(known):
            self.check_room()
        self._metrics.cache_hits.inc(sum(scores is not None for scores in known))
        self._metrics.cache_misses.inc(sum(scores is None for scores in known))
        entered = [
            self._enter(text, digest) for text, digest, scores in zip(texts, digests, known, strict=True) if not scores
        ]
        fresh = iter(await self._scored(entered))
        return [(loaded, scores) if scores else next(fresh) for scores in known]

    def _enter(self, text: str, digest: bytes) -> _Item:
        self._current()
        item = _Item(text, digest, asyncio.get_running_loop().create_future())
        self._queue.append(item)
        self._arrived.set()
        return item

    async def _scored(self, items: Sequence[_Item]) -> list[tuple[_Loaded, Scores]]:
        """Waits for the items' answers; whatever ends the wait takes those left out of the queue."""
        try:
            async with asyncio.timeout(self._limits.deadline):
                return [await item.answer for item in items]
        except TimeoutError:
            self._metrics.deadlines.inc()
            raise DeadlineError("The scores were not ready in time; try again later.") from None
        finally:
            for item in items:
                item.answer.cancel()

    def _current(self) -> _Loaded:
        if self._loaded is None:
            raise NotReadyError("No model is loaded; try again shortly.")
        return self._loaded

    async def _load(self, artifact: Artifact) -> Manifest:
        def load() -> Scorer:
            scorer = Scorer(artifact, self._threads)
            try:
                scorer.score([WARM_UP])
            except Exception as error:  # a model that starts and cannot run is as bad as one that does not start
                raise ArtifactError(f"{artifact.path}: the model cannot score: {type(error).__name__}") from None
            return scorer

        scorer = await asyncio.to_thread(load)
        self._loaded = _Loaded(scorer, LRUCache(max(1, self._limits.cache)))
        self._failed = False
        manifest = scorer.manifest
        self._metrics.show_model(manifest.name, manifest.version)
        return manifest

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._idle += 1
            batch = await self._take()
            self._idle -= 1
            loaded = self._current()
            began = time.perf_counter()
            for item in batch:
                self._metrics.queue_seconds.observe(began - item.since)
            try:
                scores = await loop.run_in_executor(
                    self._pool, loaded.scorer.score_clean, [item.text for item in batch]
                )
            except asyncio.CancelledError:
                for item in batch:
                    self._resolve(item, NotReadyError("The service is stopping."))
                raise
            except Exception as error:  # whatever the runtime raises, the callers must learn of it
                self._failed = True
                self._metrics.failures.inc()
                structlog.get_logger().error("inference failed; the service is not ready", type=type(error).__name__)
                for item in batch:
                    self._resolve(item, InferenceError("The model failed on this request."))
                continue
            self._failed = False
            took = time.perf_counter() - began
            self._rate += 0.1 * (len(batch) / max(took, 1e-6) * self._workers - self._rate)
            self._metrics.batch(len(batch), took)
            for item, row in zip(batch, scores, strict=True):
                if item.digest and self._limits.cache:
                    loaded.cache[item.digest] = row
                self._metrics.scores(row)
                self._resolve(item, (loaded, row))

    async def _take(self) -> list[_Item]:
        """The next batch: at once if nothing came together last time, else after at most `wait` seconds."""
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            if self._last_batch > 1 and len(self._queue) < self._last_batch and self._limits.wait:
                await asyncio.sleep(self._limits.wait)
            batch: list[_Item] = []
            size = 0
            most = min(BATCH_TEXTS, math.ceil(len(self._queue) / self._idle))  # idle workers share what waits
            while self._queue and len(batch) < most:
                item = self._queue[0]
                if item.answer.done():  # cancelled, or out of time: not worth an inference
                    self._metrics.dropped.inc()
                elif batch and size + len(item.text) > BATCH_CHARACTERS:
                    break
                else:
                    batch.append(item)
                    size += len(item.text)
                self._queue.popleft()
            self._last_batch = len(batch)
            if batch:
                return batch

    @staticmethod
    def _resolve(item: _Item, answer: tuple[_Loaded, Scores] | EngineError) -> None:
        with suppress(asyncio.InvalidStateError):  # its caller went away while it was scored
            if isinstance(answer, EngineError):
                item.answer.set_exception(answer)
                item.answer.exception()  # marks it seen: of several texts the caller reads the first failure only
            else:
                item.answer.set_result(answer)


def parts(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """The texts in order, cut into parts of at most `most` texts and as many characters as their batches may
    hold; a longer text is a part by itself.
    """
    characters = BATCH_CHARACTERS * most // BATCH_TEXTS
    part: list[str] = []
    size = 0
    for text in texts:
        if part and (len(part) == most or size + len(text) > characters):
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part
