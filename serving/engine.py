"""The asynchronous micro-batcher in front of the scorer: every dialect asks it, and only it, for scores.

Texts wait in one bounded queue; each worker, a thread, takes texts of like length from it, scores them as one
batch, hands the scores to the event loop, and takes the next batch without waiting for it. While a worker is idle
a text does not wait at all; while all are busy the queue itself makes the batches.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import structlog
from cachetools import LRUCache

from serving.artifact import Artifact, ArtifactError, Manifest
from serving.cpu import allowed, cores, settle
from serving.metrics import Metrics
from serving.scorer import Scorer, Scores

WARM_UP = "One warm-up prediction, so that the first reader does not wait for it."

# One inference: so many tokens, padding included, or one longer text. More together are no quicker than one after the
# other, and each waits for all: docs/performance-log.md.
BATCH_TOKENS = 256
SPECIAL_TOKENS = 2  # before and after each text
# What an inference costs beside its tokens, in tokens: more padding than that is dearer than an inference more.
PADDING_TOKENS = 4
CHARACTERS_A_TOKEN = 4  # roughly, until a text is cut into tokens
CUT_CHARACTERS = 8_000  # cut into tokens at a time, some 2 ms: the first text waits for it
IN_SIGHT = 48  # texts that a batch is chosen from: the more, the less padding, and the later an odd one's turn
# While so many texts wait, scores are handed to the event loop for so many texts at once: each time it stops a worker,
# and takes the core's cache from it.
PRESSED = 16
HANDED_OVER = 12
# What each worker may have of one request in the queue at a time.
SHARE_TEXTS = 32
SHARE_CHARACTERS = 16_384
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


@dataclass(eq=False, slots=True)
class _Item:
    text: str
    digest: bytes
    answer: asyncio.Future[tuple[_Loaded, Scores]]
    size: int  # tokens: a guess until a worker has seen the text
    seen: bool = False
    tokens: Sequence[int] | None = None
    of: _Loaded | None = None  # whose tokens they are
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
        self._tokens = BATCH_TOKENS * (threads or cores())
        # What one request may have in the queue at a time: work for every worker, and room for others.
        self._share = max(SHARE_TEXTS, min(SHARE_TEXTS * self._workers, limits.queue // 4))
        self._pool = _pool(self._workers)
        self._queue: deque[_Item] = deque()
        # The workers' threads and the event loop share the queue and what follows; a loaded model is swapped whole.
        self._lock = threading.Lock()
        self._under_way: set[_Item] = set()
        self._working = 0  # workers that look for texts or score them
        self._loaded: _Loaded | None = None
        self._failed = False
        self._bulk = 0
        self._last_batch = 0
        self._rate = 200.0  # texts a second, smoothed: for Retry-After only
        self._reloading = asyncio.Lock()
        metrics.queue_depth.set_function(self._waiting)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that answers. Raises NotReadyError."""
        return self._current().scorer.manifest

    @property
    def attributes(self) -> tuple[str, ...]:
        """What the loaded model scores. Raises NotReadyError."""
        return self._current().scorer.attributes

    @property
    def scorer(self) -> Scorer:
        """The scorer that answers, for work beside the queue. Raises NotReadyError."""
        return self._current().scorer

    @property
    def idle(self) -> bool:
        """Nothing waits or is being scored."""
        with self._lock:
            return not self._queue and not self._working

    @property
    def ready(self) -> bool:
        """A model is loaded and warm, and the last inference succeeded."""
        return self._loaded is not None and not self._failed

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
        with self._lock:
            self._loaded = None
            left = [*self._under_way, *self._queue]
            self._queue.clear()
            self._under_way.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for item in left:
            _resolve(item, NotReadyError("The service is stopping."))

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
        await self._scored(self._enter([(WARM_UP, b"")]))

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
        if self._waiting() >= self._limits.queue:
            raise self._busy()

    def _waiting(self) -> int:
        """Texts in the queue."""
        with self._lock:
            return len(self._queue)

    def _busy(self) -> BusyError:
        return BusyError(max(1, math.ceil(self._waiting() / self._rate)))

    async def _part(self, loaded: _Loaded, texts: Sequence[str], *, admitted: bool) -> list[tuple[_Loaded, Scores]]:
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
        fresh = iter(await self._scored(self._enter(new)) if new else ())
        return [(loaded, scores) if scores else next(fresh) for scores in known]

    def _enter(self, texts: Sequence[tuple[str, bytes]]) -> list[_Item]:
        """Puts texts with their digests into the queue, and idle workers to work."""
        self._current()
        loop = asyncio.get_running_loop()
        items = [
            _Item(text, digest, loop.create_future(), len(text) // CHARACTERS_A_TOKEN + SPECIAL_TOKENS)
            for text, digest in texts
        ]
        with self._lock:
            self._queue.extend(items)
            starting = min(self._workers - self._working, len(items))
            self._working += starting
        for _ in range(starting):
            self._pool.submit(self._work, loop)
        return items

    async def _scored(self, items: Sequence[_Item]) -> list[tuple[_Loaded, Scores]]:
        """Waits for the items' answers; whatever ends the wait takes those left out of the queue."""
        timer = asyncio.get_running_loop().call_later(self._limits.deadline, self._expire, items)
        try:
            return [await item.answer for item in items]
        finally:
            timer.cancel()
            for item in items:
                item.answer.cancel()

    def _expire(self, items: Sequence[_Item]) -> None:
        """Tells one request that its time is up."""
        self._metrics.deadlines.inc()
        for item in items:
            _resolve(item, DeadlineError("The scores were not ready in time; try again later."))

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

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Scores batches until nothing waits. Runs on a thread of the pool."""
        done: list[Callable[[], None]] = []
        texts = 0
        while taken := self._take():
            loaded, batch = taken
            began = time.perf_counter()
            try:
                scores = loaded.scorer.score_clean([item.text for item in batch], _encoded(loaded, batch))
                took = time.perf_counter() - began
                self._metrics.batch([began - item.since for item in batch], took, scores)
                done.append(partial(self._deliver, loaded, batch, scores, took))
            except BaseException as error:  # whatever the runtime raises, also a panic of Rust: the callers must learn
                done.append(partial(self._fail, batch, type(error).__name__))
            texts += len(batch)
            if texts >= HANDED_OVER or len(self._queue) < PRESSED:
                _hand_over(loop, done)
                done, texts = [], 0
        if done:
            _hand_over(loop, done)

    def _take(self) -> tuple[_Loaded, list[_Item]] | None:
        """The next batch and the model for it; None, and the worker's end, if nothing waits."""
        if self._limits.wait and self._last_batch > 1 and 0 < len(self._queue) < self._last_batch:
            time.sleep(self._limits.wait)
        self._encode()
        with self._lock:
            waiting: list[_Item] = []
            while self._queue and len(waiting) < IN_SIGHT:
                item = self._queue.popleft()
                if item.answer.done():  # cancelled, or out of time: not worth an inference
                    self._metrics.dropped.inc()
                else:
                    waiting.append(item)
            # Each worker takes its share of what waits, also while others are busy: few texts that come together are
            # answered sooner one after the other.
            batch = _alike(waiting, math.ceil(len(waiting) / self._workers), self._tokens)
            self._under_way.update(batch)
            self._queue.extendleft(item for item in reversed(waiting) if item not in self._under_way)
            self._last_batch = len(batch)
            if self._loaded is None or not batch:
                self._working -= 1
                return None
            return self._loaded, batch

    def _encode(self) -> None:
        """Cuts the texts in sight into tokens, so that batches are made by tokens; each is cut by one worker."""
        with self._lock:
            loaded = self._loaded
            new: list[_Item] = []
            left = CUT_CHARACTERS
            for item in islice(self._queue, IN_SIGHT):
                if left > 0 and not item.seen and not item.answer.done():
                    item.seen = True
                    new.append(item)
                    left -= len(item.text)
        if loaded is None or not new:
            return
        with suppress(BaseException):  # then it fails again where it is scored, and the callers learn of it
            for item, tokens in zip(new, loaded.scorer.encode([item.text for item in new]), strict=True):
                item.tokens, item.of, item.size = tokens, loaded, len(tokens) + SPECIAL_TOKENS

    def _deliver(self, loaded: _Loaded, batch: Sequence[_Item], scores: Sequence[Scores], took: float) -> None:
        """Hands scores to those who wait for them."""
        self._failed = False
        self._rate += 0.1 * (len(batch) / max(took, 1e-6) * self._workers - self._rate)
        for item, row in zip(batch, scores, strict=True):
            if item.digest:
                loaded.cache[item.digest] = row
            _resolve(item, (loaded, row))
        self._under_way.difference_update(batch)

    def _fail(self, batch: Sequence[_Item], reason: str) -> None:
        """Tells those who wait that the runtime failed."""
        self._failed = True
        self._metrics.failures.inc()
        structlog.get_logger().error("inference failed; the service is not ready", type=reason)
        for item in batch:
            _resolve(item, InferenceError("The model failed on this request."))
        self._under_way.difference_update(batch)


def _pool(workers: int) -> ThreadPoolExecutor:
    """Threads for the workers. If there is one for each core, each stays on its own: one that was interrupted would
    otherwise often wait while another core is idle. Fewer would crowd on the first cores, with those of other services.
    """
    own = allowed()
    places = iter(own if len(own) == workers else [])
    return ThreadPoolExecutor(workers, thread_name_prefix="scoring", initializer=lambda: settle(next(places, None)))


def _encoded(loaded: _Loaded, batch: Sequence[_Item]) -> list[Sequence[int]] | None:
    """The tokens of a batch; None if they are not known, or another model's."""
    tokens = [item.tokens for item in batch if item.tokens is not None and item.of is loaded]
    return tokens if len(tokens) == len(batch) else None


def _alike(waiting: Sequence[_Item], most: int, tokens: int) -> list[_Item]:
    """The first text that waits, with up to `most` - 1 of those nearest to its length that are worth their padding: in
    all `tokens`, where each counts as much as the longest.
    """
    if len(waiting) <= 1:
        return list(waiting)
    size = longest = waiting[0].size
    batch: list[_Item] = []
    for item in sorted(waiting, key=lambda item: abs(item.size - size))[:most]:
        grown = max(longest, item.size)
        padding = (grown - longest) * len(batch) + grown - item.size
        if batch and (padding > PADDING_TOKENS or grown * (len(batch) + 1) > tokens):
            break
        longest = grown
        batch.append(item)
    return batch


def _hand_over(loop: asyncio.AbstractEventLoop, done: Sequence[Callable[[], None]]) -> None:
    """Has the event loop deliver batches."""

    def deliver() -> None:
        for each in done:
            each()

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(deliver)


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
