"""Empties the outbox: each delivery is leased, sent, and marked; again and again until its receiver says 2xx.

At least once, and in order: an event of a comment is sent only when those before it are delivered or given up. Any
number of replicas may send: a lease is a moment until which the others leave a delivery alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2 as httpx
import structlog
from anyio import to_thread
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import aliased

from serving import __version__
from serving.metrics import Metrics
from serving.moderation import hooks
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Delivery, Hook
from serving.settings import Mode
from serving.store import Store, cause, now

POLL_SECONDS = 0.3  # how long an event waits at most before it is seen
TIMEOUT_SECONDS = 10.0  # for a receiver to answer, all in all
LEASE = timedelta(seconds=30)  # longer than TIMEOUT_SECONDS and a slow database together
AT_ONCE = 16  # deliveries under way to one hook; a slow hook holds up no other
GRACE_SECONDS = 4.0  # for deliveries under way when the service stops; the others are sent after their lease
# 5 s, doubled each time up to 3 hours: 19 attempts spread over about a day.
FIRST, LONGEST, ATTEMPTS = 5.0, 3 * 3600.0, 19
JITTER = 0.2  # of a delay, either way, so that what failed together is not tried again together
KEPT = timedelta(days=30)  # how long what is delivered or dead can be looked up
CLEAN_SECONDS = 600.0
COUNT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A leased delivery, ready to go."""

    sequence: int
    attempt: int
    url: str
    secret: str
    delivery: str
    event: str
    body: bytes
    written: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel: None is well; else a status or a kind of error, never what a receiver said."""

    parcel: Parcel
    problem: str | None


def sign(secret: str, moment: int, body: bytes) -> str:
    """The value of X-Evenhand-Signature: the Unix time, and HMAC-SHA256 of "time.body" in hexadecimal."""
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def delay(attempt: int) -> float:
    """Seconds to wait after an attempt that failed, numbered from 1, on average."""
    return min(FIRST * 2.0 ** (attempt - 1), LONGEST)


class Sender:
    """Sends what is due while the service runs. `run` is its task; `stop` ends it."""

    def __init__(self, store: Store, metrics: Metrics, mode: Mode) -> None:
        self._store, self._metrics, self._mode = store, metrics, mode
        self._stopping = asyncio.Event()
        self._drains: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Looks for due deliveries and sends them until it is stopped; trouble with the database passes."""
        log = structlog.get_logger()
        cleaned = counted = float("-inf")
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, limits=limits) as client:
            while not self._stopping.is_set():
                try:
                    for hook in await to_thread.run_sync(self._due):
                        if hook not in self._drains:
                            self._drains[hook] = task = asyncio.create_task(self._drain(hook, client))
                            task.add_done_callback(partial(self._ended, hook))
                    if time.monotonic() > counted + COUNT_SECONDS:
                        self._metrics.webhooks_waiting.set(await to_thread.run_sync(self._waiting))
                        counted = time.monotonic()
                    if time.monotonic() > cleaned + CLEAN_SECONDS:
                        await to_thread.run_sync(self._clean)
                        cleaned = time.monotonic()
                except SQLAlchemyError as error:
                    log.error("webhooks wait: the database failed", **cause(error))
                    await self._pause(10 * POLL_SECONDS)
                await self._pause(POLL_SECONDS)
            if self._drains:
                await asyncio.wait(self._drains.values(), timeout=GRACE_SECONDS)
            for task in list(self._drains.values()):
                task.cancel()

    def stop(self) -> None:
        """Ends `run` after at most GRACE_SECONDS."""
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _ended(self, hook: str, task: asyncio.Task[None]) -> None:
        self._drains.pop(hook, None)
        if not task.cancelled() and (error := task.exception()):
            structlog.get_logger().error("webhooks wait for their lease to end", hook=hook, type=type(error).__name__)

    async def _drain(self, hook: str, client: httpx.AsyncClient) -> None:
        """Sends all that is due to one hook."""
        flying: set[asyncio.Task[Outcome]] = set()
        outcomes: list[Outcome] = []
        while True:
            room = 0 if self._stopping.is_set() else AT_ONCE - len(flying)
            for parcel in await to_thread.run_sync(self._step, hook, outcomes, room):
                flying.add(asyncio.create_task(self._send(parcel, client)))
            if not flying:
                return
            try:
                finished, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                for task in flying:
                    task.cancel()
                raise
            outcomes = [task.result() for task in finished]

    async def _send(self, parcel: Parcel, client: httpx.AsyncClient) -> Outcome:
        """Never raises; the answer's body is not read."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"evenhand/{__version__}",
            "X-Evenhand-Event": parcel.event,
            "X-Evenhand-Delivery": parcel.delivery,
            "X-Evenhand-Signature": sign(parcel.secret, int(time.time()), parcel.body),
        }
        try:
            hooks.check(parcel.url, self._mode)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with client.stream("POST", parcel.url, content=parcel.body, headers=headers) as answer:
                    status = answer.status_code
        except ModerationError:
            return Outcome(parcel, "the address is not allowed in this mode")
        except TimeoutError:
            return Outcome(parcel, f"no answer in {TIMEOUT_SECONDS:.0f} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Outcome(parcel, type(error).__name__)
        return Outcome(parcel, None if 200 <= status < 300 else f"status {status}")

    def _due(self) -> Sequence[str]:
        with self._store.session() as session:
            return session.scalars(
                select(Delivery.hook_id).where(*_pending(), Delivery.next_at <= now()).distinct()
            ).all()

    def _waiting(self) -> int:
        with self._store.session() as session:
            return session.scalar(select(func.count()).select_from(Delivery).where(*_pending())) or 0

    def _clean(self) -> None:
        with self._store.writing() as session:
            old = now() - KEPT
            session.execute(delete(Delivery).where((Delivery.delivered_at < old) | (Delivery.dead_at < old)))

    def _step(self, hook: str, outcomes: Sequence[Outcome], room: int) -> list[Parcel]:
        """Marks what became of parcels, and leases as many more, in one transaction."""
        with self._store.writing() as session:
            at = now()
            for outcome in outcomes:
                # Whoever has leased it since, because this took too long, decides about failures.
                parcel, values = outcome.parcel, self._marked(outcome, at)
                mine = () if outcome.problem is None else (Delivery.attempts == parcel.attempt,)
                session.execute(update(Delivery).where(Delivery.sequence == parcel.sequence, *mine).values(**values))
            if not room:
                return []
            earlier = aliased(Delivery)
            before = select(earlier.sequence).where(
                earlier.hook_id == hook, earlier.comment_id == Delivery.comment_id,
                earlier.sequence < Delivery.sequence, earlier.delivered_at.is_(None), earlier.dead_at.is_(None),
            )  # fmt: skip
            due = (
                select(Delivery, Hook)
                .join(Hook, Hook.id == Delivery.hook_id)
                .where(Delivery.hook_id == hook, *_pending(), Delivery.next_at <= at, ~before.exists())
                .order_by(Delivery.sequence)
                .limit(room)
                .with_for_update(of=Delivery, skip_locked=True)
            )
            parcels = []
            for row, to in session.execute(due):
                row.attempts += 1
                row.next_at = at + LEASE
                parcels.append(_parcel(row, to))
            return parcels

    def _marked(self, outcome: Outcome, at: datetime) -> dict[str, object]:
        """The columns that say so; counts it, too."""
        parcel, problem = outcome.parcel, outcome.problem
        if problem is None:
            self._metrics.webhooks.labels("delivered").inc()
            self._metrics.webhook_seconds.observe((at - parcel.written).total_seconds())
            return {"delivered_at": at, "dead_at": None, "problem": None}
        if parcel.attempt >= ATTEMPTS:
            self._metrics.webhooks.labels("dead").inc()
            structlog.get_logger().error("a webhook is given up", delivery=parcel.delivery, problem=problem)
            return {"dead_at": at, "problem": problem}
        self._metrics.webhooks.labels("failed").inc()
        wait = delay(parcel.attempt) * random.uniform(1 - JITTER, 1 + JITTER)
        return {"next_at": at + timedelta(seconds=wait), "problem": problem}


def _pending() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Delivery.delivered_at.is_(None), Delivery.dead_at.is_(None)


def _parcel(row: Delivery, hook: Hook) -> Parcel:
    envelope = {
        "id": row.id,
        "sequence": row.sequence,
        "event": row.event,
        "site": hook.site_id,
        "at": row.created_at.astimezone(UTC).isoformat(),
    }
    body = json.dumps(envelope | row.body, separators=(",", ":")).encode()
    return Parcel(row.sequence, row.attempts, hook.url, hook.secret, row.id, row.event, body, row.created_at)
