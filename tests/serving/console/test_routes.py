"""Who may do what: every route of the console has a rule here, and each is tried with every role."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route

from serving.api import create_app
from serving.moderation.moderators import ROLES
from serving.settings import Settings
from tests.serving.console.conftest import House

ANYBODY = None
# (method, path) -> the least role. A new route belongs in here, or the first test fails.
RULES: dict[tuple[str, str], str | None] = {
    ("GET", "/console"): ANYBODY,
    ("GET", "/console/"): ANYBODY,
    ("GET", "/console/login"): ANYBODY,
    ("POST", "/console/login"): ANYBODY,
    ("POST", "/console/logout"): "moderator",
    ("GET", "/console/static/{name}"): ANYBODY,
    ("GET", "/console/queue"): "moderator",
    ("POST", "/console/queue/next"): "moderator",
    ("GET", "/console/cases/{case}"): "moderator",
    ("POST", "/console/cases/{case}/claim"): "moderator",
    ("POST", "/console/cases/{case}/decide"): "moderator",
    ("POST", "/console/cases/{case}/skip"): "moderator",
    ("POST", "/console/decisions/{decision}/undo"): "moderator",
    ("GET", "/console/batch"): "moderator",
    ("POST", "/console/batch"): "moderator",
    ("POST", "/console/batch/undo"): "moderator",
    ("GET", "/console/good"): "moderator",
    ("POST", "/console/good/{id:number}"): "moderator",
    ("GET", "/console/teach"): "moderator",
    ("POST", "/console/teach/{id:number}"): "moderator",
    ("GET", "/console/appeals"): "moderator",
    ("POST", "/console/appeals/{appeal}"): "moderator",
    ("GET", "/console/policy"): "editor",
    ("POST", "/console/policy"): "editor",
    ("POST", "/console/policy/{site}/{version:number}"): "editor",
    ("GET", "/console/insights"): "editor",
    ("GET", "/console/people"): "admin",
    ("POST", "/console/people"): "admin",
    ("POST", "/console/people/{id:number}"): "admin",
    ("GET", "/console/audit"): "admin",
    ("POST", "/console/audit/verify"): "admin",
    ("GET", "/console/preferences"): "moderator",
    ("POST", "/console/preferences"): "moderator",
    ("POST", "/console/preferences/password"): "moderator",
}
GUARDED = [(*route, role) for route, role in RULES.items() if role]


def routes() -> dict[tuple[str, str], str | None]:
    """The routes of the whole application under /console, as they are declared."""
    found, waiting = {}, list(create_app(Settings()).routes)
    while waiting:
        route = waiting.pop()
        if included := getattr(route, "original_router", None):
            waiting += included.routes
        elif isinstance(route, Route) and route.path.startswith("/console"):
            for method in (route.methods or set()) - {"HEAD"}:
                found[method, route.path] = getattr(route.endpoint, "role", "no rule")
    return found


def filled(path: str) -> str:
    """A path with something in its braces that does not exist."""
    return re.sub(r"\{\w+\}", "nothing-like-this", re.sub(r"\{\w+:number\}", "987654321", path))


def test_every_route_has_its_rule() -> None:
    assert routes() == RULES


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
def test_a_route_is_for_its_role_and_those_above(house: House, method: str, path: str, needed: str) -> None:
    path = filled(path)
    anonymous = house.client()
    answer = anonymous.get(path) if method == "GET" else anonymous.post(path, {})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login?next=%2Fconsole%2F")
    for role in ROLES:
        client = house.client(role)
        answer = client.get(path) if method == "GET" else client.post(path, {"csrf": client.token()})
        refused = ROLES.index(role) < ROLES.index(needed)
        assert ("Not with your role" in answer.text) == refused
        if refused:
            assert answer.status_code == 403
        else:
            assert answer.status_code in (200, 303, 404, 409, 422)


@pytest.mark.parametrize(("path", "needed"), [(path, role) for method, path, role in GUARDED if method == "POST"])
def test_a_form_needs_the_token_of_its_session_and_comes_from_our_page(house: House, path: str, needed: str) -> None:
    path = filled(path)
    client, other = house.client(needed), house.client(needed)
    token = client.token()
    for form in ({}, {"csrf": ""}, {"csrf": "x" * len(token)}, {"csrf": other.token()}, {"csrf": "é☃"}):
        answer = client.post(path, form)
        assert (answer.status_code, "of another session" in answer.text) == (403, True)
    good = {"csrf": token}
    host = house.url.removeprefix("http://")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{host}.evil.example"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ):
        answer = client.post(path, good, **headers)
        assert (answer.status_code, "did not come from here" in answer.text) == (403, True), headers
    assert client.get("/console/preferences").status_code == 200  # still logged in: nothing was done
