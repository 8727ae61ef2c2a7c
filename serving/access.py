"""Who may call: keys, scopes, and how much a key may ask for in a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from serving.errors import ApiError
from serving.keys import Key, KeyRing, Scope
from serving.settings import loopback


class Access:
    """Answers whether a request may go on. Without a key ring (local mode) every loopback call may."""

    def __init__(self, ring: KeyRing | None) -> None:
        self._ring = ring
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def check(self, request: HTTPConnection, scope: Scope | None, own: Sequence[str] = ()) -> Key | None:
        """The caller's key, None in local mode. `scope` None: any will do. Secrets of a part of the request (`own`) go
        before those of the whole.

        Raises ApiError: missing_key, invalid_key, forbidden.
        """
        if self._ring is None:
            # The name a browser asked for: another one than loopback is a page elsewhere that reaches in.
            if not _asks_loopback(request.headers.get("host") or request.url.hostname or ""):
                raise ApiError(403, "forbidden", "Local mode answers on loopback only; run with EVENHAND_MODE=keys.")
            # Any page may have a text scored, but none from elsewhere may leave labels or change the model.
            origin = request.headers.get("origin")
            if scope not in (None, "score") and origin and not loopback(_host(origin)):
                raise ApiError(403, "forbidden", f"Local mode takes no {scope} from pages of other hosts.")
            return None
        secrets = [*own, *secrets_of(request.headers, request.query_params)]
        if not secrets:
            raise ApiError(
                401, "missing_key", "A key is needed: ?key=, X-API-Key, or Authorization: Bearer.",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        found = [key for given in secrets if (key := await self._ring.find(given))]
        if not found:
            raise ApiError(401, "invalid_key", "The key is not valid.", headers={"WWW-Authenticate": "Bearer"})
        key = found[0]
        if scope and not key.may(scope):
            structlog.get_logger().warning("key without the scope", key=key.id, scope=scope)
            raise ApiError(403, "forbidden", f"This key does not have the scope {scope}.")
        return key

    def spend(self, key: Key | None, comments: int) -> None:
        """Takes comments from the key's minute. Raises ApiError rate_limited, with Retry-After."""
        if key is None or key.per_minute == 0 or comments == 0:
            return
        if comments > key.per_minute:  # not 429: it would never be the time to try again
            message = f"This key may score {key.per_minute} comments a minute, and the request holds {comments}."
            raise ApiError(422, "over_the_limit", message)
        allowed = RateLimitItemPerMinute(key.per_minute)
        if not self._limiter.hit(allowed, key.id, cost=comments):
            reset = self._limiter.get_window_stats(allowed, key.id).reset_time
            wait = max(1, math.ceil(reset - time.time()))
            message = f"This key may score {key.per_minute} comments a minute."
            raise ApiError(429, "rate_limited", message, headers={"Retry-After": str(wait)} | self.remaining(key))

    def remaining(self, key: Key | None) -> dict[str, str]:
        """Headers that tell a client how much is left, so that it need not run into the limit."""
        if key is None or key.per_minute == 0:
            return {}
        left = self._limiter.get_window_stats(RateLimitItemPerMinute(key.per_minute), key.id).remaining
        return {"X-RateLimit-Limit": str(key.per_minute), "X-RateLimit-Remaining": str(max(0, left))}


@lru_cache(256)
def _asks_loopback(host: str) -> bool:
    """Whether a Host header names this machine, with or without a port."""
    try:
        return loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def secrets_of(headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
    """What a request carries wherever a known client puts its key: Google's send a token of theirs beside it. Names of
    headers in lower case.
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    carried = [credentials.strip() if scheme.lower() == "bearer" else ""]
    carried += [headers.get(name, "") for name in ("x-api-key", "x-goog-api-key")]
    carried.append(query.get("key", ""))
    return [secret for secret in dict.fromkeys(carried) if secret]


def _host(origin: str) -> str:
    """The host of an Origin header; empty if it has none, as `null` has."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
