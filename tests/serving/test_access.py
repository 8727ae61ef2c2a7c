from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.requests import Request

from serving import keys
from serving.access import Access
from serving.errors import ApiError
from serving.keys import Key, KeyRing
from serving.store import Store
from tests.coroutines import finish


def asked(query: str = "", **headers: str) -> Request:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": query.encode(), "headers": encoded})


def test_a_token_of_googles_beside_the_key_does_no_harm(store: Store) -> None:
    made, secret = keys.create(store, "google", ["score"], 0)
    access = Access(KeyRing(store))
    request = asked(f"key={secret}", authorization="Bearer ya29.a-token-of-googles")
    assert finish(access.check(request, "score")) == made
    with pytest.raises(ApiError, match="not valid"):
        finish(access.check(asked("key=wrong", authorization="Bearer wrong-too"), "score"))


def test_known_keys_outlive_a_hiccup_of_the_database_and_no_longer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, secret = keys.create(store, "coral", ["score"], 0)
    clock = 1000.0
    monkeypatch.setattr("serving.keys.time.monotonic", lambda: clock)

    def broken(ring: KeyRing) -> None:
        raise OperationalError("SELECT", {}, Exception("disk gone"))

    async def scenario() -> None:
        nonlocal clock
        ring = KeyRing(store)
        assert await ring.find(secret) == made
        monkeypatch.setattr(KeyRing, "_read", broken)
        clock += keys.STALE_SECONDS / 2
        assert await ring.find(secret) == made
        assert await ring.find("evh_unknown") is None
        clock += keys.STALE_SECONDS
        with pytest.raises(OperationalError):
            await ring.find(secret)

    finish(scenario())


def test_a_request_over_a_keys_minute_can_never_succeed_and_says_so(store: Store) -> None:
    key, _ = keys.create(store, "small", ["score"], 2)
    access = Access(KeyRing(store))
    with pytest.raises(ApiError) as never:
        access.spend(key, 3)
    assert (never.value.status_code, never.value.code) == (422, "over_the_limit")
    access.spend(key, 2)
    with pytest.raises(ApiError) as later:
        access.spend(key, 1)
    assert (later.value.status_code, later.value.code) == (429, "rate_limited")
    assert later.value.headers is not None
    assert int(later.value.headers["Retry-After"]) >= 1


def test_known_keys_do_not_wait_for_a_database_that_hangs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made, secret = keys.create(store, "coral", ["score"], 0)
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(keys, "LONGEST_WAIT", 0.5)
    read, answering = KeyRing._read, threading.Event()

    def hanging(ring: KeyRing) -> dict[str, Key]:
        assert answering.wait(60)
        return read(ring)

    async def scenario() -> None:
        ring = KeyRing(store)
        assert await ring.find(secret) == made
        monkeypatch.setattr(KeyRing, "_read", hanging)
        found = await asyncio.gather(*(ring.find(secret) for _ in range(100)))
        assert found == [made] * 100
        assert await ring.find("evh_unknown") is None
        monkeypatch.setattr(keys, "STALE_SECONDS", 0.0)
        with pytest.raises(TimeoutError):
            await ring.find(secret)
        keys.revoke(store, made.id)
        answering.set()
        while True:
            try:
                assert await ring.find(secret) is None
                break
            except TimeoutError:  # until the thread that hung is done
                await asyncio.sleep(0.01)

    try:
        finish(scenario())
    finally:
        answering.set()
