"""Sessions of the console: a random token in a cookie, its SHA-256 in the database.

A session ends when it is logged out, IDLE after its last request, LONGEST after its start, and with its account.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import timedelta

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session, joinedload

from serving.moderation import audit, moderators
from serving.moderation.tables import Login, Moderator
from serving.store import now

IDLE = timedelta(hours=2)
LONGEST = timedelta(hours=12)  # a shift
NOTED = timedelta(minutes=1)  # how exactly the last request is known: a write at every one would be a waste
PER_NAME = RateLimitItemPerMinute(10, 15)  # attempts in 15 minutes; a success clears the count
PER_ADDRESS = RateLimitItemPerMinute(100, 15)


@dataclass
class Attempts:
    """Counts attempts to log in, in memory: by name, known or not, and by the address that they come from."""

    limiter: SlidingWindowCounterRateLimiter = field(
        default_factory=lambda: SlidingWindowCounterRateLimiter(MemoryStorage())
    )

    def allow(self, name: str, address: str) -> int | None:
        """Counts an attempt; None if it may go on, otherwise the seconds until another one may."""
        for limit, who in ((PER_ADDRESS, f"address {address}"), (PER_NAME, _hidden(name))):
            if not self.limiter.hit(limit, who):
                return max(1, round(self.limiter.get_window_stats(limit, who).reset_time - time.time()))
        return None

    def succeeded(self, name: str) -> None:
        """Forgets the attempts under a name."""
        self.limiter.clear(PER_NAME, _hidden(name))


def start(session: Session, moderator: Moderator, old: str | None = None) -> str:
    """A new session's token. The session that the browser had before, `old`, ends: nobody can have planted one."""
    end(session, old)
    token = secrets.token_urlsafe(32)
    session.add(Login(sha256=digest(token), moderator_id=moderator.id, csrf=secrets.token_urlsafe(32)))
    session.execute(delete(Login).where(or_(Login.created_at < now() - LONGEST, Login.seen_at < now() - IDLE)))
    audit.append(session, moderators.subject(moderator), "moderator.login", moderators.subject(moderator))
    return token


def find(session: Session, token: str | None) -> Login | None:
    """The session of a token, with its moderator; None if there is none, it has ended, or its account has."""
    if not token:
        return None
    moment = now()
    found = session.scalar(
        select(Login).where(Login.sha256 == digest(token)).options(joinedload(Login.moderator, innerjoin=True))
    )
    if found is None or found.moderator.disabled_at is not None:
        return None
    if moment - found.created_at > LONGEST or moment - found.seen_at > IDLE:
        return None
    return found


def stale(login: Login) -> bool:
    """Whether it is time to note a request by `seen`."""
    return now() - login.seen_at > NOTED


def seen(session: Session, sha256: str) -> None:
    """Notes a request, so that the session goes on."""
    found = session.get(Login, sha256)
    if found is not None:
        found.seen_at = now()


def end(session: Session, token: str | None) -> None:
    """Ends a session, if there is one."""
    if token:
        session.execute(delete(Login).where(Login.sha256 == digest(token)))


def digest(token: str) -> str:
    """The hash that is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _hidden(name: str) -> str:
    """A name as a key of fixed length: what is typed there may be anything, a password too."""
    return "name " + hashlib.sha256(moderators.normal(name).encode("utf-8", "surrogatepass")).hexdigest()
