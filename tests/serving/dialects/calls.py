"""Calls as clients make them, over the network."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.service import Server

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"
DISCOVERY = "/$discovery/rest"
# Other texts than those of test_api.py: the server remembers scores, which vary a little with a text's batch.
RUDE, KIND = "What a stupid clown you are.", "Thank you, I did not know that."
GERMAN = "Das ist wirklich eine sehr schöne Geschichte, und ich habe sie meiner ganzen Familie vorgelesen."
KOREAN = "이 기사는 정말 훌륭하고 저는 기자님의 의견에 전적으로 동의합니다."
ANALYZER = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
FAILURES = (400, 401, 403, 404, 405, 413, 415, 422, 429, 431, 503, 504)


def comment(text: str = RUDE, *attributes: str, **more: Any) -> dict[str, Any]:
    """An analyze request."""
    return {"comment": {"text": text}, "requestedAttributes": {name: {} for name in attributes or ("TOXICITY",)}} | more


def suggestion(text: str = RUDE, value: float = 1, **more: Any) -> dict[str, Any]:
    """A suggestscore request."""
    return {"comment": {"text": text}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}}} | more


def post(server: Server, path: str, body: Any, query: str = "", **headers: str) -> requests.Response:
    """JSON as `requests` users send it by hand: without a Content-Type. Bytes go as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body)
    return requests.post(f"{server.url}{path}{query}", data=data, headers=headers, timeout=60)


def analyzed(server: Server, body: Any) -> dict[str, Any]:
    """The answer to an analyze request that must succeed."""
    response = post(server, ANALYZE, body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def google_error(response: requests.Response, status: int, message: str | None = None) -> dict[str, Any]:
    """Asserts Google's envelope and returns the first detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json; charset=UTF-8"
    error = response.json()["error"]
    assert error["code"] == status
    assert error["status"].isupper()
    assert error["message"]
    assert message is None or error["message"] == message
    assert all(detail["@type"].startswith("type.googleapis.com/google.") for detail in error["details"])
    detail: dict[str, Any] = error["details"][0]
    return detail


def assert_failure(response: requests.Response, dialect: str) -> None:
    """Asserts that an answer is an error in the shape of its dialect."""
    assert response.status_code in FAILURES, response.text
    assert response.headers["content-type"].startswith("application/json")
    body = response.json()
    if dialect == "perspective":
        google_error(response, response.status_code)
    elif dialect == "openai":
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["message"] and body["error"]["type"] and body["error"]["code"]
    elif dialect == "tei":
        assert set(body) == {"error", "error_type"}
        assert isinstance(body["error"], str) and body["error"]
        assert body["error_type"] in ("Validation", "Overloaded", "Unhealthy", "Backend")
    else:
        assert set(body) == {"error"}
        assert body["error"]["request_id"] == response.headers["x-request-id"]
