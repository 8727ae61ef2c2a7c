"""The queue in which texts wait, and the threads that score them in batches.

Each worker, a thread, takes texts of like length from the queue, scores them as one batch, hands the scores to the
event loop, and takes the next batch without waiting for it. While a worker is idle a text does not wait at all; while
all are busy the queue itself makes the batches.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import structlog
from cachetools import LRUCache

from serving.cpu import allowed, cores, settle
from serving.engine.errors import EngineError, InferenceError, NotReadyError
from serving.metrics import Metrics
from serving.scorer import Scorer, Scores

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


@dataclass(frozen=True, eq=False)
class Loaded:
    """One model with the scores that it gave: a new model starts with an empty cache."""

    scorer: Scorer
    cache: LRUCache[bytes, Scores]


@dataclass(eq=False, slots=True)
class Item:
    """One text in the queue, and what waits for its scores."""

    text: str
    digest: bytes
    answer: asyncio.Future[tuple[Loaded, Scores]]
    size: int  # tokens: a guess until a worker has seen the text
    seen: bool = False
    tokens: Sequence[int] | None = None
    of: Loaded | None = None  # whose tokens they are
    since: float = field(default_factory=time.perf_counter)

    def resolve(self, answer: tuple[Loaded, Scores] | EngineError) -> None:
        """Answers whoever waits for it, once; for the event loop only."""
        with suppress(asyncio.InvalidStateError):  # its caller went away while it was scored
            if isinstance(answer, EngineError):
                self.answer.set_exception(answer)
                self.answer.exception()  # marks it seen: of several texts the caller reads the first failure only
            else:
                self.answer.set_result(answer)


class Batcher:
    """Scores texts in batches on `workers` threads (0: one for each core), each with `threads` inferences at a time (0:
    one for each core). `wait` is how many seconds a batch may take to fill while requests keep coming.

    `enter` and `stop` belong on one event loop, which is handed the scores too.
    """

    def __init__(self, metrics: Metrics, threads: int, workers: int, wait: float) -> None:
        self.workers = workers or cores()
        self.rate = 200.0
        """Texts a second that can be scored, smoothed: a guess."""
        self._metrics = metrics
        self._wait = wait
        self._tokens = BATCH_TOKENS * (threads or cores())
        self._pool = _pool(self.workers)
        self._queue: deque[Item] = deque()
        # The workers' threads and the event loop share the queue and what follows; a loaded model is swapped whole.
        self._lock = threading.Lock()
        self._under_way: set[Item] = set()
        self._working = 0  # workers that look for texts or score them
        self._loaded: Loaded | None = None
        self._failed = False
        self._last_batch = 0

    def use(self, loaded: Loaded) -> None:
        """Scores with this model from the next batch on."""
        self._loaded, self._failed = loaded, False

    def current(self) -> Loaded:
        """The model that scores. Raises NotReadyError."""
        if self._loaded is None:
            raise NotReadyError("No model is loaded; try again shortly.")
        return self._loaded

    @property
    def ready(self) -> bool:
        """There is a model, and the last inference succeeded."""
        return self._loaded is not None and not self._failed

    @property
    def waiting(self) -> int:
        """Texts in the queue."""
        with self._lock:
            return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing waits or is being scored."""
        with self._lock:
            return not self._queue and not self._working

    def enter(self, texts: Sequence[tuple[str, bytes]]) -> list[Item]:
        """Puts clean texts, with the digests that the cache knows them by, into the queue, and idle workers to work.

        Raises NotReadyError.
        """
        self.current()
        loop = asyncio.get_running_loop()
        items = [
            Item(text, digest, loop.create_future(), len(text) // CHARACTERS_A_TOKEN + SPECIAL_TOKENS)
            for text, digest in texts
        ]
        with self._lock:
            self._queue.extend(items)
            starting = min(self.workers - self._working, len(items))
            self._working += starting
        for _ in range(starting):
            self._pool.submit(self._work, loop)
        return items

    def stop(self) -> None:
        """Stops the workers; what waits, or is being scored, is refused."""
        with self._lock:
            self._loaded = None
            left = [*self._under_way, *self._queue]
            self._queue.clear()
            self._under_way.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for item in left:
            item.resolve(NotReadyError("The service is stopping."))

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

    def _take(self) -> tuple[Loaded, list[Item]] | None:
        """The next batch and the model for it; None, and the worker's end, if nothing waits."""
        if self._wait and self._last_batch > 1 and 0 < len(self._queue) < self._last_batch:
            time.sleep(self._wait)
        self._encode()
        with self._lock:
            waiting: list[Item] = []
            while self._queue and len(waiting) < IN_SIGHT:
                item = self._queue.popleft()
                if item.answer.done():  # cancelled, or out of time: not worth an inference
                    self._metrics.dropped.inc()
                else:
                    waiting.append(item)
            # Each worker takes its share of what waits, also while others are busy: few texts that come together are
            # answered sooner one after the other.
            batch = _alike(waiting, math.ceil(len(waiting) / self.workers), self._tokens)
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
            new: list[Item] = []
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

    def _deliver(self, loaded: Loaded, batch: Sequence[Item], scores: Sequence[Scores], took: float) -> None:
        """Hands scores to those who wait for them."""
        self._failed = False
        self.rate += 0.1 * (len(batch) / max(took, 1e-6) * self.workers - self.rate)
        for item, row in zip(batch, scores, strict=True):
            if item.digest:
                loaded.cache[item.digest] = row
            item.resolve((loaded, row))
        self._under_way.difference_update(batch)

    def _fail(self, batch: Sequence[Item], reason: str) -> None:
        """Tells those who wait that the runtime failed."""
        self._failed = True
        self._metrics.failures.inc()
        structlog.get_logger().error("inference failed; the service is not ready", type=reason)
        for item in batch:
            item.resolve(InferenceError("The model failed on this request."))
        self._under_way.difference_update(batch)


def _pool(workers: int) -> ThreadPoolExecutor:
    """Threads for the workers. If there is one for each core, each stays on its own: one that was interrupted would
    otherwise often wait while another core is idle. Fewer would crowd on the first cores, with those of other services.
    """
    own = allowed()
    places = iter(own if len(own) == workers else [])
    return ThreadPoolExecutor(workers, thread_name_prefix="scoring", initializer=lambda: settle(next(places, None)))


def _encoded(loaded: Loaded, batch: Sequence[Item]) -> list[Sequence[int]] | None:
    """The tokens of a batch; None if they are not known, or another model's."""
    tokens = [item.tokens for item in batch if item.tokens is not None and item.of is loaded]
    return tokens if len(tokens) == len(batch) else None


def _alike(waiting: Sequence[Item], most: int, tokens: int) -> list[Item]:
    """The first text that waits, with up to `most` - 1 of those nearest to its length that are worth their padding: in
    all `tokens`, where each counts as much as the longest.
    """
    if len(waiting) <= 1:
        return list(waiting)
    size = longest = waiting[0].size
    batch: list[Item] = []
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
