"""API keys: made once, shown once, stored as a hash, checked against the database a few times a minute."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, TimeoutError

from serving.moderation import audit
from serving.store import LARGEST, LONGEST_WAIT, ApiKey, Store, cause, now

# comments: send comments, appeals and erasures, as a comment system's server. reports: file reports; such a key may
# stand in a page. moderate: the queue and decisions.
Scope = Literal["score", "feedback", "comments", "reports", "moderate", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "evh_"
ACTOR = "command"  # in the audit log: keys are made and revoked by commands only
FRESH_SECONDS = 2.0  # how long a revoked key may still work
STALE_SECONDS = 60.0  # how long while the database does not answer: a hiccup of it must not stop all scoring
PATIENCE = 0.25  # seconds that a call waits for the keys to be read again


class KeyRuleError(ValueError):
    """A key cannot be made or revoked; the message names the rule."""


@dataclass(frozen=True)
class Key:
    """A key without its secret. `admin` includes every other scope; `per_minute` 0 is without limit."""

    id: str
    name: str
    scopes: tuple[str, ...]
    per_minute: int
    created_at: datetime
    revoked_at: datetime | None

    def may(self, scope: Scope) -> bool:
        """Whether it is good for `scope`."""
        return scope in self.scopes or "admin" in self.scopes


def digest(secret: str) -> str:
    """The hash that is stored. SHA-256 without a salt is enough: a secret holds 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create(store: Store, name: str, scopes: Sequence[str], per_minute: int) -> tuple[Key, str]:
    """A new key and its secret, which cannot be shown again. Raises KeyRuleError."""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise KeyRuleError("name: expected 1 to 100 printable characters")
    if not scopes or (unknown := [scope for scope in scopes if scope not in SCOPES]):
        raise KeyRuleError(
            f"scope: expected some of {', '.join(SCOPES)}" + (f", found {unknown[0]!r}" if scopes else "")
        )
    if not 0 <= per_minute <= LARGEST:
        raise KeyRuleError(f"per-minute: expected 0 (no limit) to {LARGEST}")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        id=secrets.token_hex(4),
        name=name.strip(),
        sha256=digest(secret),
        scopes=list(dict.fromkeys(scopes)),
        per_minute=per_minute,
    )
    try:
        with store.writing() as session:
            session.add(row)
            session.flush()
            audit.append(session, ACTOR, "key.made", f"key:{row.id}", details={"scopes": row.scopes})
    except IntegrityError:
        raise KeyRuleError(f"name: a key called {name.strip()!r} exists; revoked ones keep their name") from None
    return _key(row), secret


def every(store: Store) -> list[Key]:
    """All keys, oldest first."""
    with store.session() as session:
        return [_key(row) for row in session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id))]


def revoke(store: Store, key_id: str) -> Key:
    """Ends a key; it stops working within FRESH_SECONDS. Raises KeyRuleError if there is none."""
    with store.writing() as session:
        row = session.get(ApiKey, key_id)
        if row is None:
            raise KeyRuleError(f"no key has the id {key_id!r}; evenhand keys list shows them")
        if row.revoked_at is None:
            row.revoked_at = now()
            audit.append(session, ACTOR, "key.revoked", f"key:{row.id}")
        return _key(row)


class KeyRing:
    """The keys of a running service, read again when they are older than FRESH_SECONDS."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: Mapping[str, Key] = {}
        self._read_at = self._began = float("-inf")  # of the keys at hand, of the reading under way
        self._reading: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "keys")  # of its own: all others may wait for a database that hangs

    async def find(self, secret: str) -> Key | None:
        """The live key with this secret. Its hash is looked up, so that the time taken tells nothing.

        Raises SQLAlchemyError if the database has not answered for STALE_SECONDS.
        """
        now, sha256 = time.monotonic(), digest(secret)
        # One that is not there may have been made since: a new key works at once.
        known = await self._since(now - FRESH_SECONDS, PATIENCE)
        return known.get(sha256) or (await self._since(now, LONGEST_WAIT)).get(sha256)

    async def _since(self, moment: float, patience: float) -> Mapping[str, Key]:
        """The keys as they were then or later; or those at hand, for STALE_SECONDS, if the database fails, or has been
        asked for longer than `patience` seconds.
        """
        while self._read_at < moment:
            if self._reading is None:
                self._began = time.monotonic()
                self._reading = asyncio.create_task(self._refresh())
                self._reading.add_done_callback(_seen)
            reading, now = self._reading, time.monotonic()
            usable = self._read_at > now - STALE_SECONDS
            await asyncio.wait([reading], timeout=max(0.0, self._began + (patience if usable else LONGEST_WAIT) - now))
            if usable and (not reading.done() or reading.exception()):
                break
            if not reading.done():
                raise TimeoutError("the database has been asked for the keys for too long")
            reading.result()
        return self._keys

    async def _refresh(self) -> None:
        try:
            self._keys = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
            self._read_at = self._began
        except SQLAlchemyError as error:
            structlog.get_logger().warning("keys cannot be read again", **cause(error))
            raise
        finally:
            self._reading = None

    def _read(self) -> dict[str, Key]:
        with self._store.session() as session:
            rows = session.scalars(select(ApiKey).where(ApiKey.revoked_at.is_(None)))
            return {row.sha256: _key(row) for row in rows}


def _seen(reading: asyncio.Task[None]) -> None:
    """Looks at what a reading came to, as nobody else may wait for it any more."""
    if not reading.cancelled():
        reading.exception()


def _key(row: ApiKey) -> Key:
    return Key(row.id, row.name, tuple(row.scopes), row.per_minute, row.created_at, row.revoked_at)
