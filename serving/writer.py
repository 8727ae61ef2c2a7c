"""Writes for concurrent requests: each answered when it is on the disk, many of them by one commit.

A commit waits for the disk, however little it writes. SQLite has one writer, so that waits would add up: one thread
takes all work that has gathered, does it in one transaction, and only then answers. PostgreSQL does the same by itself
for transactions side by side.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from anyio import to_thread
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from serving.engine import BusyError
from serving.store import Store

T = TypeVar("T")
Work = Callable[[Session], T]

AT_ONCE = 64  # pieces of work in one commit
WAITING = 2_000  # pieces of work that may wait; more is answered 429
TRIES = 5
# PostgreSQL ends one of two transactions that wait for each other, or that saw different pasts: it may try again.
AGAIN = frozenset({"40P01", "40001"})


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any] = field(compare=False)

    def done(self, result: Any, error: BaseException | None) -> None:
        def tell() -> None:
            if self.answer.done():  # the caller went away; what was done stays done
                return
            if error is None:
                self.answer.set_result(result)
            else:
                self.answer.set_exception(error)

        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self.loop.call_soon_threadsafe(tell)


class Writer:
    """Does work on sessions of a store. `start` before use, `stop` at the end: work that waits then is still done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread that writes, if the database has one writer."""
        if self._store.one_writer:
            self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Waits for the work under way and ends the thread."""
        if self._thread:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    async def do(self, work: Work[T]) -> T:
        """What `work` returns, once all that it did is committed. What it raises comes out, and nothing is done.

        Raises BusyError if too much waits, SQLAlchemyError if the database fails. `work` may run more than once; it
        must not return rows whose columns are not loaded.
        """
        if self._thread is None:
            return await to_thread.run_sync(self._alone, work)
        if self._jobs.qsize() >= WAITING:
            raise BusyError(1)
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._jobs.put(job)
        found: T = await job.answer
        return found

    def _alone(self, work: Work[T]) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                with self._store.writing() as session:
                    return work(session)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in AGAIN or attempt == TRIES:
                    raise
                time.sleep(random.uniform(0, 0.02 * attempt))
        raise AssertionError

    def _run(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            while len(jobs) < AT_ONCE and not self._jobs.empty():
                jobs.append(self._jobs.get())
            self._together([job for job in jobs if job])
            if None in jobs:
                return

    def _together(self, jobs: list[_Job]) -> None:
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            with self._store.together() as sessions:
                for job in jobs:
                    outcomes.append(_done(job.work, sessions))
        except Exception as error:  # not committed: none of it was done, and each caller must learn of it
            outcomes = [(None, error)] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.done(*outcome)


def _done(work: Work[Any], sessions: Callable[[], Session]) -> tuple[Any, BaseException | None]:
    with sessions() as session:
        try:
            result = work(session)
            session.commit()
        except Exception as error:  # of this work alone: the others' stand
            session.rollback()
            return None, error
        return result, None
