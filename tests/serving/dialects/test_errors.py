"""Every error in the words and the shape that each dialect's clients look for."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient

from serving.api import create_app
from serving.settings import Settings
from tests.service import Server
from tests.serving.dialects.calls import (
    ANALYZE,
    ANALYZER,
    DISCOVERY,
    GERMAN,
    KIND,
    KOREAN,
    RUDE,
    SUGGEST,
    analyzed,
    assert_failure,
    comment,
    google_error,
    post,
    suggestion,
)
from tests.serving.dialects.conftest import Keys

PLAIN_ONLY = "Currently, only 'PLAIN_TEXT' comments are supported"
BOTH = "Context can have either entries or article_and_parent_comment, but both fields were populated."
# Each dialect's way to score one text.
ASK: dict[str, Callable[[str], tuple[str, Any]]] = {
    "perspective": lambda text: (ANALYZE, comment(text)),
    "openai": lambda text: ("/v1/moderations", {"input": text}),
    "tei": lambda text: ("/predict", {"inputs": text}),
    "native": lambda text: ("/v1/score", {"comments": [{"id": "1", "text": text}]}),
}
PATHS = {"perspective": ANALYZE, "openai": "/v1/moderations", "tei": "/predict", "native": "/v1/score"}
dialects = pytest.mark.parametrize("dialect", ASK)


def ask(server: Server, dialect: str, text: str, **headers: str) -> requests.Response:
    path, body = ASK[dialect](text)
    return post(server, path, body, **{"Content-Type": "application/json"}, **headers)


def typed(**comment_: Any) -> dict[str, Any]:
    return {"comment": comment_, "requestedAttributes": {"TOXICITY": {}}}


def asked(kind: str) -> dict[str, Any]:
    return {"comment": {"text": RUDE}, "requestedAttributes": {"TOXICITY": {"scoreType": kind}}}


TABLE: list[tuple[dict[str, Any], str, str]] = [
    (typed(), "Comment must be non-empty.", "COMMENT_EMPTY"),
    (typed(text=""), "Comment must be non-empty.", "COMMENT_EMPTY"),
    (typed(text=" \u200b\n"), "Comment must be non-empty.", "COMMENT_EMPTY"),
    ({"requestedAttributes": {"TOXICITY": {}}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
    (typed(text="x" * 20_481), "Comment text too long.", "COMMENT_TOO_LONG"),
    ({"comment": {"text": RUDE}}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
    (comment() | {"requestedAttributes": {}}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
    (comment(RUDE, "TOXICITY", "WIT"), "Unknown requested attribute: WIT", "INVALID_REQUEST"),
    (comment(RUDE, "SPAM"), "Unknown requested attribute: SPAM", "INVALID_REQUEST"),
    (typed(text=RUDE, type="HTML"), PLAIN_ONLY, "INVALID_REQUEST"),
    (typed(text=RUDE, type="MARKDOWN"), "Unknown text type", "INVALID_REQUEST"),
    *(
        (asked(kind), f"Requested score type {kind} is not supported by attribute TOXICITY", "INVALID_REQUEST")
        for kind in ("STD_DEV_SCORE", "PERCENTILE", "RAW")
    ),
    (comment(context={"entries": [{"text": "a"}], "articleAndParentComment": {}}), BOTH, "INVALID_REQUEST"),
]


@pytest.mark.parametrize(("body", "message", "error_type"), TABLE)
def test_googles_words(server: Server, body: dict[str, Any], message: str, error_type: str) -> None:
    detail = google_error(post(server, ANALYZE, body), 400, message)
    assert detail["@type"] == ANALYZER
    assert detail["errorType"] == error_type


@pytest.mark.parametrize(("body", "message", "error_type"), TABLE[:3])
def test_the_older_error_format(server: Server, body: dict[str, Any], message: str, error_type: str) -> None:
    response = post(server, ANALYZE, body, "?key=x&$.xgafv=1")
    assert google_error(response, 400, message)["errorType"] == error_type
    assert response.json()["error"]["errors"][0]["message"] == message
    assert "errors" not in post(server, ANALYZE, body, "?key=x&$.xgafv=2").json()["error"]


@pytest.mark.parametrize(
    ("scores", "named"),
    [
        ({}, "Missing attribute_scores"),
        ({"TOXICITY": {}}, "TOXICITY"),
        ({"WIT": {"summaryScore": {"value": 1}}}, "Unknown requested attribute: WIT"),
        ({"TOXICITY": {"summaryScore": {"value": 1.5}}}, "attributeScores.TOXICITY.summaryScore.value"),
        ({"TOXICITY": {"summaryScore": {"value": 1, "type": "RAW"}}}, "Requested score type RAW"),
        ({"TOXICITY": {"spanScores": [{"begin": 0, "score": {"value": 1}}]}}, "spanScores.0.end"),
        ({"TOXICITY": {"spanScores": [{"begin": 3, "end": 3, "score": {"value": 1}}]}}, "inside the text"),
        ({"TOXICITY": {"spanScores": [{"begin": 0, "end": 10**30, "score": {"value": 1}}]}}, "inside the text"),
    ],
)
def test_a_suggestion_that_says_too_little(server: Server, scores: dict[str, Any], named: str) -> None:
    response = post(server, SUGGEST, suggestion() | {"attributeScores": scores})
    google_error(response, 400)
    assert named in response.json()["error"]["message"]


def test_strict_refuses_other_languages_naming_one_attribute(strict: Server) -> None:
    for text, code in ((GERMAN, "de"), (KOREAN, "ko")):
        body = comment(text, "INSULT", "TOXICITY")
        message = f"Attribute INSULT does not support request languages: {code}"
        detail = google_error(post(strict, ANALYZE, body), 400, message)
        assert detail["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
        told = detail["languageNotSupportedByAttributeError"]
        assert (told["attribute"], told["detectedLanguages"][0]) == ("INSULT", code)


def test_strict_believes_the_languages_of_the_request(strict: Server) -> None:
    assert analyzed(strict, comment(KIND, languages=["en"]))["languages"] == ["en"]
    response = post(strict, ANALYZE, comment(KIND, languages=["ko", "en", "om"]))
    detail = google_error(response, 400, "Attribute TOXICITY does not support request languages: ko, om")
    told = detail["languageNotSupportedByAttributeError"]
    assert (told["attribute"], told["requestedLanguages"]) == ("TOXICITY", ["ko", "en", "om"])


def test_strict_cannot_score_what_has_no_language(strict: Server) -> None:
    detail = google_error(post(strict, ANALYZE, comment("?! 123 ... 🤡")), 400, "Unable to detect language")
    assert detail["errorType"] == "LANGUAGE_DETECTION_FAILED"


def test_strict_knows_only_what_is_scored(strict: Server) -> None:
    google_error(post(strict, ANALYZE, comment(RUDE, "TOXICITY", "SPAM")), 400, "Unknown requested attribute: SPAM")


@dialects
def test_paths_methods_and_json_that_are_wrong(server: Server, dialect: str) -> None:
    path = PATHS[dialect]
    wrong_method = requests.get(f"{server.url}{path}", timeout=60)
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    assert_failure(wrong_method, dialect)
    headers = {"Content-Type": "application/json"}
    for broken in (b'{"', b"\xff\xfe{", b"[" * 50_000, b"1" + b"0" * 5000, b"[]", b"7", b'"x"', b"null"):
        response = post(server, path, broken, **headers)
        assert response.status_code in (400, 422), (broken[:9], response.text)
        assert_failure(response, dialect)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1alpha1/comments:guess", "perspective"),
        ("/$discovery/else", "perspective"),
        ("/v1alpha1/", "perspective"),
        ("/v1/moderations/", "openai"),
        ("/predict/", "tei"),
        ("/batch/", "perspective"),
        ("/predictions", "native"),
        ("/batches", "native"),
    ],
)
def test_unknown_paths(server: Server, path: str, dialect: str) -> None:
    response = post(server, path, {})
    assert response.status_code == 404
    assert_failure(response, dialect)


def test_the_state_of_the_service_is_not_the_dialects_of_like_names(server: Server) -> None:
    assert_failure(post(server, "/healthz", {}), "native")
    assert_failure(post(server, "/health", {}), "tei")


@dialects
def test_bodies_and_headers_that_are_too_large(server: Server, dialect: str) -> None:
    path = PATHS[dialect]
    large = post(server, path, json.dumps({"x": "y" * 2**20}).encode())
    assert large.status_code == 413
    assert_failure(large, dialect)
    for header, query in ((40_000, 0), (0, 40_000)):
        response = post(server, path, {}, f"?x={'q' * query}", **{"X-Padding": "h" * header})
        assert response.status_code == 431
        assert_failure(response, dialect)


@dialects
def test_a_full_queue_says_when_to_come_back(narrow: Server, dialect: str) -> None:
    texts = [f"{dialect} {number} " + f"Queue number {number}, please. " * 100 for number in range(24)]
    with ThreadPoolExecutor(len(texts)) as pool:
        answers = list(pool.map(lambda text: ask(narrow, dialect, text), texts))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) < 24
    for answer in refused:
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert_failure(answer, dialect)


@dialects
def test_a_deadline_says_when_to_come_back(hurried: Server, dialect: str) -> None:
    answer = ask(hurried, dialect, f"{dialect}: " + "A long story about a council and its many buses. " * 400)
    assert (answer.status_code, answer.headers["retry-after"]) == (504, "1")
    assert_failure(answer, dialect)


@dialects
def test_a_service_without_its_model_says_when_to_come_back(dialect: str) -> None:
    # Without its lifespan the application answers but has loaded nothing.
    path, body = ASK[dialect](RUDE)
    answer = TestClient(create_app(Settings()), "http://localhost").post(path, json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    told = json.dumps(answer.json())
    shapes = {"perspective": '"UNAVAILABLE"', "openai": '"server_error"', "tei": '"Unhealthy"', "native": '"not_ready"'}
    assert shapes[dialect] in told


def test_a_minutes_limit_in_every_shape(keys: Keys) -> None:
    for dialect in ASK:
        key = {"X-API-Key": keys.create(f"slow {dialect}", "--per-minute", "2")[1]}
        for left in ("1", "0"):
            answer = ask(keys.server, dialect, RUDE, **key)
            assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "2")
            assert answer.headers["x-ratelimit-remaining"] == left
        refused = ask(keys.server, dialect, RUDE, **key)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert_failure(refused, dialect)
    unlimited = keys.create("not slow", "--per-minute", "0")[1]
    assert "x-ratelimit-limit" not in ask(keys.server, "native", RUDE, **{"X-API-Key": unlimited}).headers


def test_quota_in_googles_words(keys: Keys) -> None:
    _, secret = keys.create("quota", "--per-minute", "1")
    post(keys.server, ANALYZE, comment(), f"?key={secret}")
    response = post(keys.server, ANALYZE, comment(), f"?key={secret}")
    assert google_error(response, 429)["reason"] == "RATE_LIMIT_EXCEEDED"
    error = response.json()["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["message"].startswith("Quota exceeded for quota metric 'Analysis requests (AnalyzeComment)'")


def test_discovery_is_read_with_get_only(server: Server) -> None:
    assert_failure(post(server, DISCOVERY, {}), "perspective")


def test_parts_of_a_batch_fail_alone(keys: Keys) -> None:
    _, secret = keys.create("batch", "--per-minute", "2")
    calls = [
        ("POST", f"{ANALYZE}?key={secret}", comment()),
        ("POST", f"{ANALYZE}?key=wrong", comment()),
        ("POST", ANALYZE, comment()),
        ("GET", f"{DISCOVERY}?key={secret}", {}),
        ("POST", f"/v1alpha1/comments%3Aanalyze?key={secret}", comment(KIND)),
        ("POST", f"{ANALYZE}?key={secret}", comment("A third.")),
    ]
    parts = [
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n{method} {path} HTTP/1.1\r\n"
        f"Content-Type: application/json\r\n\r\n{json.dumps(body)}\r\n"
        for number, (method, path, body) in enumerate(calls)
    ]
    sent = ("".join(parts) + "--b--").encode()
    response = post(keys.server, "/batch", sent, **{"Content-Type": 'multipart/mixed; boundary="b"'})
    assert response.status_code == 200
    statuses = [line.split()[1] for line in response.text.splitlines() if line.startswith("HTTP/1.1")]
    assert sorted(statuses) == ["200", "200", "400", "403", "404", "429"]
    assert statuses[1:4] == ["400", "403", "404"]
    assert [f"<response-{number}>" in response.text for number in range(6)] == [True] * 6


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/mixed", b"--b--"),
        ('multipart/mixed; boundary=""', b"----"),
    ],
)
def test_a_batch_that_cannot_be_read(server: Server, kind: str, body: bytes) -> None:
    google_error(post(server, "/batch", body, **{"Content-Type": kind}), 400)


@pytest.mark.parametrize(
    "bad",
    [
        "Content-Type: text/plain\r\n\r\nx",
        "Content-Type: application/http\r\n\r\n",
        "Content-Type: application/http\r\n\r\nPOST //[ HTTP/1.1",
    ],
)
def test_a_part_that_is_no_call_spoils_no_other(server: Server, bad: str) -> None:
    good = f"Content-Type: application/http\r\n\r\nPOST {ANALYZE} HTTP/1.1\r\n\r\n{json.dumps(comment())}"
    sent = f"--b c\r\n{bad}\r\n--b c\r\n{good}\r\n--b c--".encode()
    answer = post(server, "/batch", sent, **{"Content-Type": 'multipart/mixed; boundary="b c"'})
    assert answer.status_code == 200, answer.text
    assert [line.split()[1] for line in answer.text.splitlines() if line.startswith("HTTP/1.1")] == ["400", "200"]
    assert "Part 0: " in answer.text


def test_a_part_in_the_older_format_has_its_errors(server: Server) -> None:
    part = f"Content-Type: application/http\r\n\r\nPOST {ANALYZE}?$.xgafv=1 HTTP/1.1\r\n\r\n{{}}"
    answer = post(
        server, "/batch", f"--b\r\n{part}\r\n--b--".encode(), **{"Content-Type": "multipart/mixed; boundary=b"}
    )
    assert '"errors":[{' in answer.text


def test_there_is_one_version_to_discover(server: Server) -> None:
    for version, status in (("v1alpha1", 200), ("v9", 404)):
        assert requests.get(f"{server.url}{DISCOVERY}?version={version}", timeout=60).status_code == status


def test_who_has_spent_a_minute_is_told_how_much_it_holds(keys: Keys) -> None:
    _, secret = keys.create("metadata", "--per-minute", "1")
    post(keys.server, ANALYZE, comment(), f"?key={secret}")
    detail = google_error(post(keys.server, ANALYZE, comment(), f"?key={secret}"), 429)
    assert (detail["reason"], detail["metadata"]["quota_limit_value"]) == ("RATE_LIMIT_EXCEEDED", "1")
