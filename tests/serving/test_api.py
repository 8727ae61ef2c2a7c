from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from labels import taxonomy
from serving.api import create_app
from serving.artifact import ArtifactError
from serving.engine import Engine
from serving.scorer import Scorer
from serving.settings import Settings
from tests import databases
from tests.service import Server
from tests.serving.test_scorer import BATCH_MOST

RUDE = "You absolute clown, resign."


def ask(server: Server, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/score", json=body, headers=headers, timeout=60)


def assert_error(response: httpx.Response, status: int, code: str, field: str | None = None) -> str:
    """The one error shape; returns the message."""
    assert response.status_code == status, response.text
    (key,) = response.json()
    error = response.json()[key]
    assert key == "error"
    assert error["code"] == code
    assert error.get("field") == field
    assert set(error) <= {"code", "message", "field", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    message: str = error["message"]
    assert message
    return message


def test_scores_come_back_in_order_with_the_model_named(server: Server, scorer: Scorer) -> None:
    texts = [RUDE, "Thank you, I had not thought of that.", "What is the bus fare now?"]
    answer = ask(server, {"comments": [{"id": f"c{i}", "text": text} for i, text in enumerate(texts)]}).json()
    assert answer["model"] == {"name": scorer.manifest.name, "version": scorer.manifest.version}
    assert [result["id"] for result in answer["results"]] == ["c0", "c1", "c2"]
    for result, expected in zip(answer["results"], scorer.score(texts), strict=True):
        assert result["scores"] == pytest.approx(dict(expected), abs=BATCH_MOST)
        assert "error" not in result


def test_only_the_attributes_asked_for(server: Server) -> None:
    body = {"comments": [{"id": "a", "text": RUDE}], "attributes": ["insult", "constructive"]}
    assert list(ask(server, body).json()["results"][0]["scores"]) == ["insult", "constructive"]


def test_context_is_accepted(server: Server) -> None:
    comment = {"id": "a", "text": RUDE, "context": {"article": "Council votes", "parent": None, "section": "local"}}
    assert ask(server, {"comments": [comment]}).json()["results"][0]["scores"]


def test_one_bad_item_fails_no_other(server: Server) -> None:
    too_long = "é" * 10_241
    texts: list[Any] = ["Fine.", "", "\u200b", 7, None, too_long, "é" * 10_240]
    comments = [{"id": str(i), "text": text} for i, text in enumerate(texts)] + [{"id": "none"}]
    results = ask(server, {"comments": comments}).json()["results"]
    codes = [result.get("error", {}).get("code") for result in results]
    assert codes == [
        None,
        "empty_text",
        "empty_text",
        "invalid_text",
        "invalid_text",
        "text_too_long",
        None,
        "invalid_text",
    ]
    assert "20480" in results[5]["error"]["message"]
    assert results[5]["error"]["field"] == "comments.5.text"
    assert ["scores" in result for result in results] == [code is None for code in codes]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "comments", "required"),
        ({"comments": []}, "comments", "at least 1"),
        ({"comments": [{"id": "x", "text": "y"}] * 1001}, "comments", "at most 1000"),
        ({"comments": [{"text": "no id"}]}, "comments.0.id", "required"),
        ({"comments": [{"id": 5, "text": "y"}]}, "comments.0.id", "string"),
        ({"comments": [{"id": "x", "text": "y"}], "attributes": []}, "attributes", "at least 1"),
        ([], "body", "object"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(server: Server, body: Any, field: str, rule: str) -> None:
    assert rule in assert_error(ask(server, body), 422, "invalid_request", field)


def test_a_thousand_comments_are_scored(server: Server) -> None:
    results = ask(server, {"comments": [{"id": str(i), "text": "Agreed."} for i in range(1000)]}).json()["results"]
    assert [result["id"] for result in results] == [str(i) for i in range(1000)]


def test_an_unknown_attribute_is_named(server: Server) -> None:
    body = {"comments": [{"id": "a", "text": RUDE}], "attributes": ["insult", "wit"]}
    assert "'wit'" in assert_error(ask(server, body), 422, "unknown_attribute", "attributes")


def test_broken_json_unknown_paths_and_methods_answer_in_the_error_shape(server: Server) -> None:
    broken = httpx.post(
        f"{server.url}/v1/score", content=b'{"comments": [', headers={"content-type": "application/json"}
    )
    assert_error(broken, 400, "invalid_json")
    assert_error(httpx.get(f"{server.url}/nothing"), 404, "not_found")
    wrong = httpx.get(f"{server.url}/v1/score")
    assert_error(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(server: Server, chunked: bool) -> None:
    body = json.dumps({"comments": [{"id": "a", "text": "x" * 2**21}]}).encode()
    content: Any = iter([body[: 2**20], body[2**20 :]]) if chunked else body
    response = httpx.post(f"{server.url}/v1/score", content=content, headers={"content-type": "application/json"})
    assert str(2**20) in assert_error(response, 413, "body_too_large")


def test_request_ids_are_kept_or_made(server: Server) -> None:
    assert ask(server, {}, **{"X-Request-ID": "trace-1.a"}).headers["x-request-id"] == "trace-1.a"
    made = ask(server, {}, **{"X-Request-ID": 'bad id "'}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_attributes_are_those_of_the_taxonomy(server: Server) -> None:
    answer = httpx.get(f"{server.url}/v1/attributes").json()
    known = taxonomy.load()
    assert tuple(attribute["name"] for attribute in answer["attributes"]) == known.names
    for attribute in answer["attributes"]:
        assert attribute["definition"] == known[attribute["name"]].definition
        assert attribute["perspective"] == list(known[attribute["name"]].perspective)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """The application in this process, where its parts can be broken on purpose; ready."""
    app = create_app(Settings(database_url=databases.fresh(tmp_path)))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        deadline = time.monotonic() + 30
        while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield client


def test_a_failure_answers_in_the_error_shape_and_logs_no_message(
    client: TestClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(scorer: Scorer, texts: Sequence[str], *encoded: Any) -> Any:
        raise RuntimeError(f"cannot score {texts}")

    secret = "Zanzibar-marmalade-7743"
    body = {"comments": [{"id": "a", "text": secret}]}
    with monkeypatch.context() as broke:
        broke.setattr(Scorer, "score_clean", broken)
        answer = client.post("/v1/score", json=body)
        assert_error(answer, 503, "inference_failed")
        assert answer.headers["retry-after"]
        assert_error(client.get("/readyz"), 503, "inference_failed")
        failed = client.post("/predict", json={"inputs": secret})
        assert (failed.status_code, failed.json()["error_type"]) == (424, "Backend")
        assert client.get("/health").status_code == 503
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/score", json=body).status_code == 200
    printed = capsys.readouterr()
    assert "RuntimeError" in printed.out + printed.err
    assert secret not in answer.text + printed.out + printed.err


def test_what_nobody_foresaw_answers_in_the_error_shape(
    client: TestClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: Engine, texts: Sequence[str]) -> Any:
        raise ZeroDivisionError(str(texts))

    monkeypatch.setattr(Engine, "score", broken)
    secret = "Zanzibar-marmalade-7744"
    answer = client.post("/v1/score", json={"comments": [{"id": "a", "text": secret}]})
    assert_error(answer, 500, "internal_error")
    printed = capsys.readouterr()
    assert "ZeroDivisionError" in printed.out + printed.err
    assert secret not in answer.text + printed.out + printed.err


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"[" * 100_000, b'{"comments": ' + b"9" * 5000 + b"}"])
def test_a_body_that_cannot_be_read_is_not_json(server: Server, body: bytes) -> None:
    response = httpx.post(f"{server.url}/v1/score", content=body, headers={"content-type": "application/json"})
    assert_error(response, 400, "invalid_json")


def test_a_body_is_read_whatever_its_content_type(server: Server) -> None:
    body = json.dumps({"comments": [{"id": "a", "text": RUDE}]}).encode()
    for kind in ({}, {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "text/plain"}):
        assert httpx.post(f"{server.url}/v1/score", content=body, headers=kind).json()["results"][0]["scores"]


def test_a_slash_too_many_is_no_redirect(server: Server) -> None:
    assert_error(httpx.post(f"{server.url}/v1/score/", json={}), 404, "not_found")


def test_state(server: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx.get(f"{server.url}{path}").json() == {"status": "ok"}
        alone = httpx.head(f"{server.url}{path}")
        assert (alone.status_code, alone.content) == (200, b"")


def test_live_is_not_ready() -> None:
    # Without its lifespan the application answers but has loaded nothing.
    client = TestClient(create_app(Settings()), base_url="http://127.0.0.1")
    assert client.get("/healthz").status_code == 200
    refused = client.get("/readyz")
    assert refused.headers["retry-after"] == "1"
    assert_error(refused, 503, "not_ready")
    assert_error(client.post("/v1/score", json={"comments": [{"id": "a", "text": RUDE}]}), 503, "not_ready")


def test_a_service_without_a_model_does_not_start(tmp_path: Any) -> None:
    with pytest.raises(ArtifactError, match="no model"):
        create_app(Settings(model=tmp_path))


def test_logs_hold_one_json_line_a_request_and_no_comment(server: Server) -> None:
    secret = "Zanzibar-marmalade-7741"
    ask(server, {"comments": [{"id": "a", "text": secret}], "note": secret}, **{"X-Request-ID": "logged-1"})
    ask(server, {"comments": [{"id": secret * 20, "text": secret}]})
    httpx.get(f"{server.url}/v1/attributes?key={secret}")
    lines = server.logged().splitlines()
    mine = [json.loads(line) for line in lines if "logged-1" in line]
    assert [(line["method"], line["path"], line["status"]) for line in mine] == [("POST", "/v1/score", 200)]
    assert secret not in server.log.read_text()


def test_the_answer_of_an_error_never_quotes_the_comment(server: Server) -> None:
    secret = "Zanzibar-marmalade-7742"
    for body in ({"comments": [{"id": [secret], "text": secret}]}, {"comments": secret}, {"comments": [secret]}):
        assert secret not in ask(server, body).text


SHORT_WAY = [
    ("/v1/score", {"comments": [{"id": "é", "text": "You absolute clown, resign."}], "attributes": ["insult"]}),
    ("/v1/score", {"comments": [{"id": "a", "text": ""}]}),
    ("/v1/score", {"comments": []}),
    ("/v1alpha1/comments:analyze", {"comment": {"text": "Bonjour à tous !"}, "requestedAttributes": {"TOXICITY": {}}}),
    ("/v1alpha1/comments:analyze", {"comment": {"text": "Fine."}, "clientToken": "é", "requestedAttributes": {}}),
    ("/v1alpha1/comments:analyze?$.xgafv=1", {"comment": {"text": ""}}),
    ("/v1alpha1/comments:analyze", "x" * (2**20 + 1)),
]


@pytest.mark.parametrize(("path", "body"), SHORT_WAY)
def test_the_short_way_answers_as_the_frameworks(server: Server, path: str, body: Any) -> None:
    said = []
    for more in ({}, {"Origin": "http://127.0.0.1"}):  # a page's request takes the framework's
        answer = ask_at(server, path, body, **{"X-Request-ID": "same"}, **more)
        headers = [
            (name, value)
            for name, value in answer.headers.multi_items()
            if name not in ("date", "vary") and not name.startswith("access-control-")
        ]
        said.append((answer.status_code, headers, answer.content))
    assert said[0] == said[1]


def ask_at(server: Server, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=60)


def test_an_answer_is_sent_in_one_piece(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"comments": [{"id": "a", "text": RUDE}]}).encode()
    head = f"POST /v1/score HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=60) as client:
        for _ in range(2):
            client.sendall(head + body)
            answer = client.recv(2**16)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"}]}")
        client.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
        answer = client.recv(2**16)
        assert answer.endswith(b"}]}")
        assert not client.recv(1)


@pytest.mark.parametrize("offer", ["h2c", "websocket"])
def test_a_client_that_offers_another_protocol_is_answered_all_the_same(server: Server, offer: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"comments": [{"id": "a", "text": RUDE}]}).encode()
    # As Java's client says it on plain http.
    head = (
        f"POST /v1/score HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: {len(body)}\r\n"
        f"Host: {host}:{port}\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: {offer}\r\n\r\n"
    ).encode()
    with socket.create_connection((host, int(port)), timeout=60) as client:
        apart = [head[:80], head[80:] + body[:9], body[9:]]
        for pieces in ([head + body], [head, body], apart, [head + body] * 2):
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.05)
            answer = b""
            while answer.count(b"}]}") < len(b"".join(pieces)) // len(head + body):
                read = client.recv(2**16)
                assert read, answer
                answer += read
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"}]}")


CHUNKED = b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ", id="head"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\nX-Long: ", id="trailers"),
        pytest.param(CHUNKED + b"2;long=", id="extension of a chunk"),
    ],
)
def test_what_has_no_end_is_not_kept(server: Server, start: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(start)
        with pytest.raises(ConnectionError):
            for _ in range(64):
                client.sendall(b"a" * 2**20)


def test_a_body_in_chunks_may_be_long_and_have_trailers(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"comments": [{"id": "a", "text": RUDE}]}).encode()
    padded = b" " * 300_000 + body
    middle = len(padded) // 2
    pieces = [CHUNKED, b"%x\r\n" % middle, padded[:middle], b"\r\n%x\r\n" % (len(padded) - middle), padded[middle:]]
    with socket.create_connection((host, int(port)), timeout=60) as client:
        for piece in (*pieces, b"\r\n0\r\n", b"X-Checksum: 1\r\n\r\n"):
            client.sendall(piece)
            time.sleep(0.02)
        answer = client.recv(2**16)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"}]}")
