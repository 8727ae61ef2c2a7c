"""What is answered while the database has no connection or no turn to give: 503, and when to come again."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError, TimeoutError

from serving import keys
from serving import store as stores
from serving.api import create_app
from serving.moderation import moderators, privacy
from serving.moderation.keeping import forget
from serving.settings import Settings
from serving.store import Store
from tests import databases
from tests.service import running
from tests.serving.moderation.world import World

WAIT = 0.05  # seconds
REPORT = {"site": "daily", "comment": "c1", "reporter": {"id": "r1"}, "reason": "abusive"}


ASKED: list[tuple[str, str, Any]] = [
    ("GET", "/v1/queue", None),
    ("POST", "/v1/queue/next", {"moderator": "ada"}),
    ("POST", "/v1/reports", REPORT),
    ("POST", "/v1/reports/withdraw", {key: REPORT[key] for key in ("site", "comment", "reporter")}),
    ("PUT", "/v1/sites/daily/comments/c2", {"text": "A new one."}),
    ("GET", "/v1/sites/daily/comments/c1", None),
    ("POST", "/v1/sites/daily/comments/c1/decision", {"verdict": "keep"}),
    ("GET", "/v1/decisions?site=daily", None),
    ("GET", "/v1/appeals?site=daily", None),
    ("DELETE", "/v1/sites/daily/comments/c1", None),
    ("DELETE", "/v1/sites/daily/authors/ann", None),
]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The application over one connection to its database, for which nobody waits long."""
    url = databases.fresh(tmp_path)
    filled = Store(url)
    filled.open()
    World.made(filled).comment("c1")
    with filled.writing() as session:
        moderators.create(session, "ada", "a password of ada's", "admin")
    filled.close()
    tiny = partial(create_engine, pool_size=1, max_overflow=0, pool_timeout=WAIT)
    monkeypatch.setattr(stores, "create_engine", tiny)
    app = create_app(Settings(database_url=url))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answered(client, "GET", "/readyz")
        yield client


def store_of(client: TestClient) -> Store:
    app: Any = client.app
    found: Store = app.state.service.store
    return found


@contextmanager
def taken(store: Store) -> Iterator[None]:
    """The one connection is somebody else's, as soon as the service's own work in the background is done with it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            held = store.engine.connect()
            break
        except TimeoutError:
            assert time.monotonic() < deadline
    with held:
        yield


def answered(client: TestClient, method: str, path: str, body: Any = None) -> httpx.Response:
    """The answer, once the background leaves the request a connection."""
    deadline = time.monotonic() + 60
    while (answer := client.request(method, path, json=body)).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(WAIT)
    return answer


def busy(answer: httpx.Response) -> None:
    """503 in the documented shape."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"] == "5"
    error = answer.json()["error"]
    assert (error["code"], error["request_id"]) == ("store_unavailable", answer.headers["x-request-id"])
    assert "again later" in error["message"]


def test_without_a_connection_it_is_said_when_to_come_again(client: TestClient) -> None:
    with taken(store_of(client)):
        for method, path, body in ASKED:
            busy(client.request(method, path, json=body))
    for method, path, body in ASKED:
        assert answered(client, method, path, body).status_code == 200, path


def test_what_needs_no_database_is_answered_and_other_dialects_say_it_too(client: TestClient) -> None:
    suggested = {"comment": {"text": "Well."}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}
    with taken(store_of(client)):
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200
        answer = client.post("/v1alpha1/comments:suggestscore", json=suggested)
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, 503, "5")
        good = {"comment": {"text": "Well."}, "requestedAttributes": {"TOXICITY": {}}}
        calls = (("analyze", good), ("suggestscore", suggested))
        parts = [
            f"--b\nContent-Type: application/http\n\nPOST /v1alpha1/comments:{name} HTTP/1.1\n\n{json.dumps(body)}\n"
            for name, body in calls
        ]
        kind = {"Content-Type": "multipart/mixed; boundary=b"}
        batch = client.post("/batch", content="".join(parts) + "--b--", headers=kind)
        assert (batch.status_code, batch.text.count("HTTP/1.1 200"), batch.text.count("HTTP/1.1 503")) == (200, 1, 1)
        page = client.get("/console/queue", headers={"Cookie": "evenhand=some-token"})
        assert (page.status_code, page.headers["retry-after"]) == (503, "5")
        assert page.headers["content-type"].startswith("text/html") and "Not at the moment" in page.text


def test_who_gets_no_turn_to_write_is_told_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(client)
    if not store.one_writer:
        pytest.skip("writers go side by side")
    monkeypatch.setattr(stores, "LONGEST_WAIT", WAIT)
    answered(client, "POST", "/v1/reports", REPORT)
    with store._turns.next():
        busy(client.post("/v1/reports", json=REPORT | {"reporter": {"id": "r2"}}))
        busy(client.get("/v1/queue"))  # it has to be ranked, and the ranks cannot be written
        busy(client.delete("/v1/sites/daily/authors/ann"))
    assert answered(client, "GET", "/v1/queue").json()["cases"][0]["reasons"] == {"abusive": 1}


def test_a_file_that_cannot_be_rewritten_is_rewritten_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if not store.one_writer:
        pytest.skip("PostgreSQL sees to that by itself")
    world = World.made(store)
    world.comment("c1", author="person-1f2e", text="my confession 77e1b0")
    with store.writing() as session:
        privacy.erase(session, world.site, "author", "person-1f2e", "local")
    path = store.engine.url.database or ""
    with sqlite3.connect(path, isolation_level=None) as other:
        store.engine.dispose()
        monkeypatch.setattr(stores, "LONGEST_WAIT", WAIT)
        other.execute("BEGIN IMMEDIATE")  # another process writes
        with pytest.raises(OperationalError):
            store.forget()
        assert store.owed
        other.execute("ROLLBACK")
    other.close()
    assert forget(store, "retention") == {}  # nothing is old, and what is owed is done
    assert not store.owed
    assert b"77e1b0" not in databases.content(store.engine.url.render_as_string(hide_password=False))


def test_a_log_that_another_program_reads_is_not_yet_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if not store.one_writer:
        pytest.skip("PostgreSQL sees to that by itself")
    world = World.made(store)
    world.comment("c1", author="person-1f2e", text="my confession 77e1b0")
    url, numbers = store.engine.url.render_as_string(hide_password=False), count()
    with closing(sqlite3.connect(store.engine.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM comments").fetchone()  # as a backup reads, from here on
        with store.writing() as session:
            privacy.erase(session, world.site, "author", "person-1f2e", "local")
        monkeypatch.setattr(stores, "FORGET_WAIT", 2.0)
        with ThreadPoolExecutor(1) as pool:
            forgetting = pool.submit(store.forget)
            while not forgetting.done():
                world.comment(f"other{next(numbers)}", author="somebody")  # others write meanwhile
            with pytest.raises(SQLAlchemyError, match="another program reads"):
                forgetting.result()
        assert store.owed
        assert b"77e1b0" in databases.content(url)
        other.execute("ROLLBACK")
    store.forget()
    assert not store.owed
    assert b"77e1b0" not in databases.content(url)


def test_commands_that_read_need_no_turn_to_write(store: Store) -> None:
    if not store.one_writer:
        pytest.skip("writers go side by side")
    keys.create(store, "coral", ["score"], 0)
    again = Store(store.engine.url.render_as_string(hide_password=False))
    with closing(sqlite3.connect(store.engine.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        again.open()
        assert [key.name for key in keys.every(again)] == ["coral"]
        other.execute("ROLLBACK")
    again.close()


def test_scoring_goes_on_while_suggestions_wait_and_the_log_says_for_what(tmp_path: Path) -> None:
    """Another program writes, longer than the service waits for it."""
    url = databases.fresh(tmp_path)
    if not url.startswith("sqlite"):
        pytest.skip("writers go side by side")
    filled = Store(url)
    filled.open()
    secret = keys.create(filled, "coral", ["score", "feedback"], 0)[1]
    filled.close()
    said = {"comment": {"text": "Well."}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}
    asked = {"comment": {"text": "Well."}, "requestedAttributes": {"TOXICITY": {}}}
    with running(tmp_path / "log", mode="keys", database_url=url) as server, ThreadPoolExecutor(20) as pool:

        def call(name: str, body: Any) -> httpx.Response:
            path = f"{server.url}/v1alpha1/comments:{name}?key={secret}"
            return httpx.post(path, json=body, timeout=60)

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            suggestions = [pool.submit(call, "suggestscore", said) for _ in range(20)]
            time.sleep(keys.FRESH_SECONDS + 0.5)  # then keys are read again
            for _ in range(5):
                assert call("analyze", asked).status_code == 200
            assert not any(each.done() for each in suggestions)
            assert {each.result().status_code for each in suggestions} == {503}
            other.execute("ROLLBACK")
        assert call("suggestscore", said).status_code == 200
        lines = [json.loads(line) for line in server.logged().splitlines() if line.startswith("{")]
    assert {line["reason"] for line in lines if line["event"] == "the database failed"} == {"database is locked"}
