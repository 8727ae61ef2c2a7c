"""Calls of the native API that must succeed, or fail as they should."""

from __future__ import annotations

from typing import Any

import requests

from tests.service import Server


def call(server: Server, method: str, path: str, body: Any = None, status: int = 200, key: str = "") -> Any:
    """The answer's JSON, after checking its status."""
    headers = {"X-API-Key": key} if key else {}
    answer = requests.request(method, f"{server.url}{path}", json=body, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text
    json = answer.headers["content-type"].startswith("application/json")
    found: Any = answer.json() if json else answer.text
    if status >= 400:
        assert set(found) == {"error"}
        assert found["error"]["request_id"] == answer.headers["x-request-id"]
        return found["error"]
    return found
