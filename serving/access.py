"""Who may call: keys, scopes, and how much a key may ask for in a minute."""

from __future__ import annotations

import math
import time

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

    async def check(self, request: HTTPConnection, scope: Scope, secret: str | None = None) -> Key | None:
        """The caller's key, None in local mode. `secret` stands in for the request's own.

        Raises ApiError: missing_key, invalid_key, forbidden.
        """
        if self._ring is None:
            # The name a browser asked for: another one than loopback is a page elsewhere that reaches in.
            if loopback(request.url.hostname or ""):
                return None
            raise ApiError(403, "forbidden", "Local mode answers on loopback only; run with EVENHAND_MODE=keys.")
        secret = secret or secret_of(request)
        if not secret:
            raise ApiError(
                401, "missing_key", "A key is needed: ?key=, X-API-Key, or Authorization: Bearer.",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        key = await self._ring.find(secret)
        if key is None:
            raise ApiError(401, "invalid_key", "The key is not valid.", headers={"WWW-Authenticate": "Bearer"})
        if not key.may(scope):
            structlog.get_logger().warning("key without the scope", key=key.id, scope=scope)
            raise ApiError(403, "forbidden", f"This key does not have the scope {scope}.")
        return key

    def spend(self, key: Key | None, comments: int) -> None:
        """Takes comments from the key's minute. Raises ApiError rate_limited, with Retry-After."""
        if key is None or key.per_minute == 0 or comments == 0:
            return
        if comments > key.per_minute:
            message = f"This key may score {key.per_minute} comments a minute, and the request holds {comments}."
            raise ApiError(429, "rate_limited", message, headers={"Retry-After": "60"})
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


def secret_of(request: HTTPConnection) -> str | None:
    """The key a request carries, wherever a known client puts it."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    for name in ("x-api-key", "x-goog-api-key"):
        if value := request.headers.get(name):
            return value
    return request.query_params.get("key") or None
