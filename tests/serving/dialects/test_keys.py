"""Keys from the command line to the wire, and that neither they nor comments are left where they do not belong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from serving.store import Feedback, Store
from tests import databases
from tests.service import Server
from tests.serving.dialects.calls import (
    ANALYZE,
    DISCOVERY,
    SUGGEST,
    assert_failure,
    comment,
    google_error,
    post,
    suggestion,
)
from tests.serving.dialects.conftest import Keys

WAYS: list[tuple[str, Callable[[str], str], Callable[[str], dict[str, str]]]] = [
    ("?key=", lambda key: f"?key={key}", lambda key: {}),
    ("X-API-Key", lambda key: "", lambda key: {"X-API-Key": key}),
    ("x-goog-api-key", lambda key: "", lambda key: {"X-Goog-Api-Key": key}),
    ("Bearer", lambda key: "", lambda key: {"Authorization": f"Bearer {key}"}),
    ("bearer", lambda key: "", lambda key: {"Authorization": f"bearer  {key} "}),
    ("both, as Discourse", lambda key: "", lambda key: {"X-API-KEY": key, "Authorization": f"Bearer {key}"}),
]
SCORING = [
    (ANALYZE, comment(), "perspective"),
    ("/v1/moderations", {"input": "Well."}, "openai"),
    ("/predict", {"inputs": "Well."}, "tei"),
    ("/v1/score", {"comments": [{"id": "1", "text": "Well."}]}, "native"),
]
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("query", "headers"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_every_way_to_send_a_key_works_everywhere(
    keys: Keys, secret: str, query: Callable[[str], str], headers: Callable[[str], dict[str, str]]
) -> None:
    for path, body, dialect in SCORING:
        assert post(keys.server, path, body, query(secret), **JSON, **headers(secret)).status_code == 200
        refused = post(keys.server, path, body, query("evh_wrong"), **JSON, **headers("evh_wrong"))
        assert refused.status_code == (400 if dialect == "perspective" else 401)
        assert_failure(refused, dialect)


def test_a_bad_key_and_none_in_each_dialects_words(keys: Keys) -> None:
    bad = post(keys.server, ANALYZE, comment(), "?key=bad")
    detail = google_error(bad, 400, "API key not valid. Please pass a valid API key.")
    assert detail["reason"] == "API_KEY_INVALID"
    assert bad.json()["error"]["status"] == "INVALID_ARGUMENT"
    none = post(keys.server, ANALYZE, comment())
    google_error(none, 403)
    assert none.json()["error"]["status"] == "PERMISSION_DENIED"
    assert post(keys.server, "/v1/moderations", {"input": "x"}, "?key=bad").json()["error"]["code"] == "invalid_api_key"
    for path, body, dialect in SCORING[1:]:
        none = post(keys.server, path, body, **JSON)
        assert (none.status_code, none.headers["www-authenticate"]) == (401, "Bearer")
        assert_failure(none, dialect)


@pytest.mark.parametrize("path", [path for path, _, _ in SCORING])
def test_the_key_is_asked_for_before_the_body_is_read(keys: Keys, path: str) -> None:
    assert post(keys.server, path, b"{").status_code == (403 if path == ANALYZE else 401)


def test_discovery_needs_no_key_but_no_bad_one(keys: Keys, secret: str) -> None:
    for query, status in (("", 200), (f"?key={secret}", 200), ("?key=bad", 400)):
        assert requests.get(f"{keys.server.url}{DISCOVERY}{query}", timeout=60).status_code == status


def test_a_key_does_only_what_its_scopes_say(keys: Keys) -> None:
    made = {scope: keys.create(f"only {scope}", "--scope", scope)[1] for scope in ("score", "feedback", "metrics")}
    made["admin"] = keys.create("all", "--scope", "admin")[1]
    for scope, secret in made.items():
        for path, body, dialect in [*SCORING, (SUGGEST, suggestion(), "perspective")]:
            needed = "feedback" if path == SUGGEST else "score"
            answer = post(keys.server, path, body, **JSON, **{"X-API-Key": secret})
            if scope in (needed, "admin"):
                assert answer.status_code == 200
            else:
                assert answer.status_code == 403
                assert_failure(answer, dialect)
                assert needed in answer.text
        discovery = requests.get(f"{keys.server.url}{DISCOVERY}", params={"key": secret}, timeout=60)
        assert discovery.status_code == 200
        metrics = requests.get(f"{keys.server.url}/metrics", headers={"X-API-Key": secret}, timeout=60)
        assert metrics.status_code == (200 if scope in ("metrics", "admin") else 403)


def test_keys_are_made_listed_and_revoked_while_the_service_runs(keys: Keys) -> None:
    key_id, secret = keys.create("Coral", "--scope", "score", "--per-minute", "600")
    assert re.fullmatch(r"evh_[\w-]{43}", secret)
    listed, _ = keys.command("list")
    line = next(line for line in listed.splitlines() if "Coral" in line)
    assert key_id in line and "score" in line and "600" in line
    assert secret not in listed
    assert post(keys.server, ANALYZE, comment(), f"?key={secret}").status_code == 200, "a new key works at once"
    keys.command("revoke", key_id)
    revoked = time.monotonic()
    asked = revoked
    while post(keys.server, ANALYZE, comment(), f"?key={secret}").status_code == 200:
        assert asked - revoked < 3  # when it was asked: a busy machine may take its time to answer
        time.sleep(0.1)
        asked = time.monotonic()
    google_error(post(keys.server, ANALYZE, comment(), f"?key={secret}"), 400)
    line = next(line for line in keys.command("list")[0].splitlines() if "Coral" in line)
    assert len(re.findall(r"\d{4}-\d\d-\d\d", line)) == 2, "made and revoked"


def test_a_suggestion_is_stored_with_its_origin_unless_told_not_to(keys: Keys, secret: str) -> None:
    coral = suggestion(
        "A Coral comment, approved.",
        0,
        context={"entries": [{"text": json.dumps({"url": "https://n.example/1?c=9", "Coral_comment_id": "c-9"})}]},
        languages=["en"],
        communityId="Coral:https://n.example",
        clientToken="comment:c-9",
    )
    spans = suggestion("Rude half \ud83d. Kind 🙂 half.", clientToken="t" * 300, sessionId="s" * 300)
    spans["attributeScores"]["INSULT"] = {"spanScores": [{"begin": 0, "end": 12, "score": {"value": 0.5}}]}
    nul = suggestion("NUL\0 here.")
    for body in (coral, spans, nul, suggestion("Not to be stored.", doNotStore=True)):
        answer = post(keys.server, SUGGEST, body, f"?key={secret}")
        assert answer.status_code == 200, answer.text
        assert answer.json().get("clientToken") == body.get("clientToken")
        assert answer.json()["requestedLanguages"] == body.get("languages", [])
    columns = (
        Feedback.text, Feedback.attribute, Feedback.value, Feedback.begin, Feedback.end, Feedback.comment_id,
        Feedback.story_url, Feedback.community_id, func.length(Feedback.session_id),
    )  # fmt: skip
    store = Store(keys.database)
    with store.session() as session:
        chosen = select(*columns).where(Feedback.text.not_like("What a%")).order_by(Feedback.id)
        rows = [tuple(row) for row in session.execute(chosen)]
    store.close()
    assert rows == [
        ("A Coral comment, approved.", "TOXICITY", 0, None, None, "c-9", "https://n.example/1?c=9",
         "Coral:https://n.example", None),
        ("Rude half \ufffd. Kind 🙂 half.", "TOXICITY", 1, None, None, None, None, None, 256),
        ("Rude half \ufffd. Kind 🙂 half.", "INSULT", 0.5, 0, 12, None, None, None, 256),
        ("NUL\ufffd here.", "TOXICITY", 1, None, None, None, None, None, None),
    ]  # fmt: skip


def test_no_secret_in_the_database_no_key_and_no_comment_in_the_log(keys: Keys) -> None:
    _, secret = keys.create("Zanzibar")
    text = "Zanzibar-marmalade-8841"
    for path, body, _ in SCORING:
        said = json.loads(json.dumps(body).replace("Well.", text).replace("What a", text))
        for sent in (
            said,
            {"input": {text: text}, "inputs": [[text, 7]], "comments": text, "comment": text},
            b'{"' + text.encode(),
        ):
            post(keys.server, path, sent, f"?key={secret}", **JSON)
            post(keys.server, path, sent, f"?key={secret}x&text={text}", **JSON)
    post(keys.server, SUGGEST, suggestion(text, 7), f"?key={secret}")
    post(keys.server, SUGGEST, suggestion(text, doNotStore=True), f"?key={secret}")
    part = f"--b\r\nContent-Type: application/http\r\nContent-ID: <{text}>\r\n\r\nPOST {ANALYZE}?key={secret} HTTP/1.1"
    answered = post(
        keys.server,
        "/batch",
        f"{part}\r\n\r\n{json.dumps(comment(text))}\r\n--b--".encode(),
        **{"Content-Type": "multipart/mixed; boundary=b"},
    )
    assert "200 OK" in answered.text
    assert "POST" in keys.server.logged()
    for word in (secret, secret.removeprefix("evh_"), text):
        assert word not in keys.server.logged()
        assert word.encode() not in databases.content(keys.database)


def test_local_mode_answers_no_foreign_name(server: Server) -> None:
    for host in ("news.example", "127.0.0.1.news.example", "localhost.news.example:80", "10.0.0.1"):
        for path, body, dialect in [*SCORING, (SUGGEST, suggestion(), "perspective")]:
            refused = post(server, path, body, **JSON, Host=host)
            assert refused.status_code == 403
            assert_failure(refused, dialect)
    port = server.url.rsplit(":", 1)[1]
    for host in (f"localhost:{port}", "LOCALHOST", "127.0.0.1", "[::1]:80"):
        assert post(server, ANALYZE, comment(), Host=host).status_code == 200


def test_the_common_servers_log_holds_one_json_line_an_event(server: Server, tmp_path: Path) -> None:
    post(server, ANALYZE, comment(), **{"X-Request-ID": "perspective-1"})
    lines = [line for line in server.logged().splitlines() if line.startswith("{")]
    (mine,) = (json.loads(line) for line in lines if "perspective-1" in line)
    assert (mine["method"], mine["path"], mine["status"]) == ("POST", ANALYZE, 200)


@pytest.mark.parametrize("header", ["X-Goog-Api-Key: {}", "x-api-key: {}", "Authorization: Bearer {}"])
def test_a_part_of_a_batch_may_have_its_key_in_a_header(keys: Keys, secret: str, header: str) -> None:
    call = f"POST {ANALYZE} HTTP/1.1\r\nContent-Type: application/json\r\n{header.format(secret)}"
    part = f"--b\r\nContent-Type: application/http\r\n\r\n{call}\r\n\r\n{json.dumps(comment())}\r\n--b--"
    answer = post(keys.server, "/batch", part.encode(), **{"Content-Type": "multipart/mixed; boundary=b"})
    assert "HTTP/1.1 200 OK" in answer.text


def test_a_suggestion_says_how_much_is_left(keys: Keys) -> None:
    _, limited = keys.create("suggesting", "--per-minute", "7")
    answer = post(keys.server, SUGGEST, suggestion(), f"?key={limited}")
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("7", "6")


def test_a_token_in_a_part_does_not_hide_the_batchs_key(keys: Keys, secret: str) -> None:
    call = f"POST {ANALYZE} HTTP/1.1\r\nAuthorization: Bearer ya29.a-token-of-googles"
    part = f"--b\r\nContent-Type: application/http\r\n\r\n{call}\r\n\r\n{json.dumps(comment())}\r\n--b--"
    answer = post(
        keys.server, "/batch", part.encode(), f"?key={secret}", **{"Content-Type": "multipart/mixed; boundary=b"}
    )
    assert "HTTP/1.1 200 OK" in answer.text
