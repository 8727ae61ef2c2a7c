from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving import keys
from serving.api import create_app
from serving.policy import DEFAULT_SOURCE
from serving.settings import Settings
from tests.serving.moderation.world import World

HOLD = '[[rules]]\nattribute = "insult"\nat_least = 0.5\naction = "hold"\n'
FLAG = HOLD.replace("hold", "flag")
POLICY, POLICIES = "/v1/sites/daily/policy", "/v1/sites/daily/policies"


class Client:
    """Calls with a key, and checks the status and the shape of errors."""

    def __init__(self, world: World) -> None:
        url = world.store.engine.url.render_as_string(hide_password=False)
        self.http = TestClient(create_app(Settings(mode="keys", database_url=url)), raise_server_exceptions=False)
        self.keys = {scope: keys.create(world.store, scope, [scope], 0)[1] for scope in ("admin", "moderate", "score")}

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200, scope: str = "admin") -> Any:
        answer = self.http.request(method, path, json=body, headers={"X-API-Key": self.keys[scope]})
        assert answer.status_code == status, answer.text
        return answer.json()["error"] if status >= 400 else answer.json()


@pytest.fixture
def call(world: World) -> Client:
    return Client(world)


def test_without_a_policy_of_its_own_a_site_has_the_default(call: Client) -> None:
    found = call("GET", POLICY, scope="moderate")
    assert (found["version"], found["state"], found["source"]) == (None, "default", DEFAULT_SOURCE)
    assert any("report_worthy at least 0.5: hold" in line for line in found["words"])


def test_a_policy_is_put_once_however_often_it_is_sent(call: Client) -> None:
    for _ in range(2):
        found = call("PUT", POLICY, {"source": HOLD, "note": "first"})
        assert (found["version"], found["state"], found["source"], found["note"]) == (1, "live", HOLD, "first")
    assert call("PUT", POLICY, {"source": FLAG})["version"] == 2
    assert call("PUT", POLICY, {"source": HOLD})["version"] == 3
    states = [(row["version"], row["state"]) for row in call("GET", POLICIES)["versions"]]
    assert states == [(3, "live"), (2, "retired"), (1, "retired")]


def test_the_default_can_be_made_a_version(call: Client) -> None:
    assert call("PUT", POLICY, {"source": DEFAULT_SOURCE})["version"] == 1


def test_a_draft_goes_through_shadow_to_live_and_back(call: Client) -> None:
    assert call("POST", POLICIES, {"source": HOLD}, 201)["state"] == "draft"
    assert call("POST", POLICIES, {"source": FLAG}, 201)["version"] == 2
    assert call("GET", POLICY)["state"] == "default"
    for version, state in ((1, "live"), (2, "shadow"), (2, "live"), (1, "live")):
        assert call("PUT", f"{POLICIES}/{version}/state", {"state": state})["state"] == state
        assert call("GET", f"{POLICIES}/{version}")["state"] == state
    assert call("GET", POLICY)["source"] == HOLD
    assert call("GET", f"{POLICIES}/2", scope="moderate")["state"] == "retired"


def test_a_draft_is_tested_on_the_sites_comments(call: Client, world: World) -> None:
    world.comment(score=0.8)
    call("PUT", POLICY, {"source": "rules = []"})
    draft = HOLD.replace("insult", "report_worthy")
    found = call("POST", f"{POLICIES}/backtest", {"source": draft}, scope="moderate")
    assert (found["rows"], found["changed"]) == (1, 1)
    assert found["matrix"] == [{"old": "accept", "new": "hold", "count": 1}]
    assert found["new"]["expected"]["hold"]["value"] == pytest.approx(0.8)
    assert found["examples"][0]["new_reasons"] == ["Rule 1 (hold): report_worthy 0.80, at least 0.5."]
    assert call("GET", POLICY)["version"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("PUT", POLICY, {"source": HOLD + "at_leest = 1\n"}, 422, "invalid_policy", "source"),
        ("POST", POLICIES, {"source": HOLD.replace("hold", "reject")}, 422, "invalid_policy", "source"),
        ("POST", f"{POLICIES}/backtest", {"source": "rules = 3"}, 422, "invalid_policy", "source"),
        ("POST", POLICIES, {"source": HOLD, "note": "a" * 501}, 422, "invalid_request", "note"),
        ("POST", POLICIES, {"text": HOLD}, 422, "invalid_request", "source"),
        ("PUT", f"{POLICIES}/1/state", {"state": "on"}, 422, "invalid_request", "state"),
        ("PUT", f"{POLICIES}/1/state", {"state": "shadow"}, 409, "policy_state", "state"),
        ("PUT", f"{POLICIES}/9/state", {"state": "live"}, 404, "unknown_version", "version"),
        ("GET", f"{POLICIES}/9", None, 404, "unknown_version", "version"),
        ("GET", "/v1/sites/nowhere/policy", None, 404, "unknown_site", "site"),
        ("GET", "/v1/sites/nowhere/policies", None, 404, "unknown_site", "site"),
        ("PUT", "/v1/sites/nowhere/policy", {"source": HOLD}, 404, "unknown_site", "site"),
        ("POST", "/v1/sites/nowhere/policies/backtest", {"source": HOLD}, 404, "unknown_site", "site"),
    ],
)
def test_what_cannot_be_is_named(
    call: Client, method: str, path: str, body: Any, status: int, code: str, field: str
) -> None:
    call("PUT", POLICY, {"source": HOLD})
    error = call(method, path, body, status)
    assert (error["code"], error["field"]) == (code, field)
    assert len(call("GET", POLICIES)["versions"]) == 1


@pytest.mark.parametrize("number", [2**31, 10**23, int("9" * 4000)], ids=["32 bits", "64 bits", "a page"])
def test_a_number_that_no_version_can_have_is_of_none(call: Client, number: int) -> None:
    for longer in ("", "9" * 1000):  # with these, of more digits than Python reads
        path = f"{POLICIES}/{number}{longer}"
        assert call("GET", path, None, 404)["code"] == "unknown_version"
        assert call("PUT", f"{path}/state", {"state": "live"}, 404)["code"] == "unknown_version"


def test_reading_needs_one_scope_and_changing_another(call: Client) -> None:
    call("POST", POLICIES, {"source": HOLD}, 201)
    for method, path, body in (
        ("PUT", POLICY, {"source": HOLD}),
        ("POST", POLICIES, {"source": HOLD}),
        ("PUT", f"{POLICIES}/1/state", {"state": "live"}),
    ):
        for scope in ("moderate", "score"):
            assert call(method, path, body, 403, scope)["code"] == "forbidden"
    for path in (POLICY, POLICIES, f"{POLICIES}/1"):
        assert call("GET", path, None, 403, "score")["code"] == "forbidden"
    assert call("POST", f"{POLICIES}/backtest", {"source": HOLD}, 403, "score")["code"] == "forbidden"
