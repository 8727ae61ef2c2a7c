"""Marks words for requests that ask for it, beside the engine's queue: one thread, so that scores never wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from serving.artifact import Manifest
from serving.engine import SHARE_TEXTS, BusyError, DeadlineError, Engine, InferenceError, NotReadyError, parts
from serving.metrics import Metrics
from serving.scorer import ScoringError
from serving.spans import NoSpansError, ToxicSpan

MOST = 16  # requests that wait or are worked on; more are told to come again


class Marker:
    """Marks words with the engine's model. Use on one event loop."""

    def __init__(self, engine: Engine, metrics: Metrics, deadline: float) -> None:
        """`deadline`: seconds for a share of a request, its wait included, as the engine's."""
        self._engine = engine
        self._metrics = metrics
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="marking")
        self._requests = 0

    async def spans(self, model: Manifest, texts: Sequence[str]) -> list[list[ToxicSpan]]:
        """The marked words of each text by `model`, which the engine has just scored them with.

        A share at a time, so that requests take turns. Raises NoSpansError, ScoringError, BusyError, DeadlineError,
        InferenceError, and NotReadyError if another model answers by now.
        """
        scorer = self._engine.scorer
        if scorer.manifest is not model:
            raise NotReadyError("The model has just been changed; try again.")
        if self._requests >= MOST:
            raise BusyError(1)
        self._requests += 1
        loop = asyncio.get_running_loop()
        found: list[list[ToxicSpan]] = []
        try:
            for part in parts(texts, SHARE_TEXTS):
                async with asyncio.timeout(self._deadline):
                    # Whoever goes away while it waits takes it out of the thread's queue.
                    found += await loop.run_in_executor(self._pool, scorer.spans, part)
        except TimeoutError:
            self._metrics.deadlines.inc()
            raise DeadlineError("The words were not marked in time; try again later.") from None
        except (NoSpansError, ScoringError):
            raise
        except Exception as error:  # whatever the runtime raises; its message could quote a comment
            self._metrics.failures.inc()
            structlog.get_logger().error("inference failed while marking words", type=type(error).__name__)
            raise InferenceError("The model failed on this request.") from None
        finally:
            self._requests -= 1
        return found

    def stop(self) -> None:
        """Ends the thread after what it is at."""
        self._pool.shutdown(wait=False, cancel_futures=True)
