"""The asynchronous micro-batcher in front of the scorer: every dialect asks it, and only it, for scores."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from serving.artifact import Artifact, ArtifactError, Manifest
from serving.cpu import cores, settle
from serving.engine.batcher import Batcher, Item, Loaded
from serving.engine.errors import BusyError, DeadlineError
from serving.metrics import Metrics
from serving.scorer import Scorer, Scores

WARM_UP = "One warm-up prediction, so that the first reader does not wait for it."

# What each worker may have of one request in the queue at a time.
SHARE_TEXTS = 32
SHARE_CHARACTERS = 16_384
# Requests of more than their share that are served at a time: the rest of the queue is for others.
BULK_REQUESTS = 2


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
        self._batcher = Batcher(metrics, threads, workers, limits.wait)
        # What one request may have in the queue at a time: work for every worker, and room for others.
        self._share = max(SHARE_TEXTS, min(SHARE_TEXTS * self._batcher.workers, limits.queue // 4))
        self._bulk = 0
        self._reloading = asyncio.Lock()
        metrics.queue_depth.set_function(lambda: self._batcher.waiting)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that answers. Raises NotReadyError."""
        return self._batcher.current().scorer.manifest

    @property
    def attributes(self) -> tuple[str, ...]:
        """What the loaded model scores. Raises NotReadyError."""
        return self._batcher.current().scorer.attributes

    @property
    def scorer(self) -> Scorer:
        """The scorer that answers, for work beside the queue. Raises NotReadyError."""
        return self._batcher.current().scorer

    @property
    def idle(self) -> bool:
        """Nothing waits or is being scored."""
        return self._batcher.idle

    @property
    def ready(self) -> bool:
        """A model is loaded and warm, and the last inference succeeded."""
        return self._batcher.ready

    async def start(self, path: Path | None = None) -> None:
        """Loads and warms the model: that at `path`, or else that which it was made with.

        Raises ArtifactError; `reload` or `use` may mend that.
        """
        if path is None:
            await self._load(self._artifact)
        else:
            await self.use(path)

    async def stop(self) -> None:
        """Stops the workers; what waits, or is being scored, or comes later, is refused."""
        self._batcher.stop()

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
        await self._scored(self._batcher.enter([(WARM_UP, b"")]))

    async def score(self, texts: Sequence[str]) -> Scored:
        """Scores of each text, in order. Cancelling the call takes what still waits out of the queue.

        Raises ScoringError for a text without a visible character, NotReadyError, BusyError, DeadlineError,
        InferenceError.
        """
        loaded = self._batcher.current()
        clean = loaded.scorer.clean(texts)
        bulk = len(clean) > self._share
        if bulk and self._bulk >= BULK_REQUESTS:
            raise self._busy()
        self._bulk += bulk
        try:
            answers: list[tuple[Loaded, Scores]] = []
            for part in parts(clean, self._share):
                answers += await self._part(loaded, part, admitted=bool(answers))
            if any(by is not answers[0][0] for by, _ in answers[1:]):
                # The model changed on the way: one answer never mixes two.
                answers = []
                for part in parts(clean, self._share):
                    answers += await self._part(self._batcher.current(), part, admitted=True)
        finally:
            self._bulk -= bulk
        by = answers[0][0] if answers else loaded
        return Scored(by.scorer.manifest, [scores for _, scores in answers])

    def check_room(self) -> None:
        """Raises BusyError if the queue is full."""
        if self._batcher.waiting >= self._limits.queue:
            raise self._busy()

    def _busy(self) -> BusyError:
        return BusyError(max(1, math.ceil(self._batcher.waiting / self._batcher.rate)))

    async def _part(self, loaded: Loaded, texts: Sequence[str], *, admitted: bool) -> list[tuple[Loaded, Scores]]:
        """Scores of one share of a request, from the cache or the queue.

        A full queue refuses what it would have to score, unless the request is `admitted`: under way already.
        """
        if self._limits.cache:
            digests = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
            known = [loaded.cache.get(digest) for digest in digests]
        else:
            digests, known = [b""] * len(texts), [None] * len(texts)
        new = [(text, digest) for text, digest, scores in zip(texts, digests, known, strict=True) if not scores]
        if new and not admitted:
            self.check_room()
        self._metrics.cache_hits.inc(len(texts) - len(new))
        self._metrics.cache_misses.inc(len(new))
        fresh = iter(await self._scored(self._batcher.enter(new)) if new else ())
        return [(loaded, scores) if scores else next(fresh) for scores in known]

    async def _scored(self, items: Sequence[Item]) -> list[tuple[Loaded, Scores]]:
        """Waits for the items' answers; whatever ends the wait takes those left out of the queue."""
        timer = asyncio.get_running_loop().call_later(self._limits.deadline, self._expire, items)
        try:
            return [await item.answer for item in items]
        finally:
            timer.cancel()
            for item in items:
                item.answer.cancel()

    def _expire(self, items: Sequence[Item]) -> None:
        """Tells one request that its time is up."""
        self._metrics.deadlines.inc()
        for item in items:
            item.resolve(DeadlineError("The scores were not ready in time; try again later."))

    async def _load(self, artifact: Artifact) -> Manifest:
        # A text of many windows is as many batches: idle workers' cores help with it.
        threads = max(self._threads or cores(), self._batcher.workers)

        def load() -> Scorer:
            scorer = Scorer(artifact, threads, settle)
            try:
                scorer.score([WARM_UP])
            except Exception as error:  # a model that starts and cannot run is as bad as one that does not start
                raise ArtifactError(f"{artifact.path}: the model cannot score: {type(error).__name__}") from None
            return scorer

        scorer = await asyncio.to_thread(load)
        self._batcher.use(Loaded(scorer, LRUCache(max(1, self._limits.cache))))
        manifest = scorer.manifest
        self._metrics.show_model(manifest.name, manifest.version)
        return manifest


def parts(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """The texts in order, cut into parts of at most `most` texts and as many characters as their batches may
    hold; a longer text is a part by itself.
    """
    characters = SHARE_CHARACTERS * most // SHARE_TEXTS
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
