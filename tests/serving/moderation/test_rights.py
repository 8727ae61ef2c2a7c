"""Each route asks for its scope, and takes no other; none tells more to who has none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from fastapi.routing import APIRoute

from serving import keys
from serving.moderation.routes import ROUTERS
from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.moderation.calls import call
from tests.serving.moderation.world import World

SITE = "/v1/sites/daily"
# What stands for the braces of a path: a site that is there, and else nothing that is.
FILLED = {"site": "daily", "version:number": "1"}
QUERIES = {
    "/v1/decisions": "?site=daily",
    "/v1/appeals": "?site=daily",
    "/v1/transparency": "?site=daily&from=2026-01-01&to=2026-01-02",
}
# (method, path) -> the scopes that are let in; of others, admin always is. A new route belongs in here, or the first
# test fails.
RULES: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/v1/sites"): ("moderate",),
    ("PUT", "/v1/sites/{site}"): (),
    ("PUT", "/v1/sites/{site}/comments/{comment}"): ("comments",),
    ("GET", "/v1/sites/{site}/comments/{comment}"): ("comments",),
    ("DELETE", "/v1/sites/{site}/comments/{comment}"): ("comments",),
    ("POST", "/v1/reports"): ("reports",),
    ("POST", "/v1/reports/withdraw"): ("reports",),
    ("GET", "/v1/queue"): ("moderate",),
    ("POST", "/v1/queue/next"): ("moderate",),
    ("GET", "/v1/cases/{case}"): ("moderate",),
    ("POST", "/v1/cases/{case}/claim"): ("moderate",),
    ("POST", "/v1/cases/{case}/release"): ("moderate",),
    ("POST", "/v1/cases/{id}/decision"): ("moderate",),
    ("POST", "/v1/sites/{site}/comments/{id}/decision"): ("moderate",),
    ("POST", "/v1/decisions/bulk"): ("moderate",),
    ("POST", "/v1/decisions/bulk/{id}/undo"): ("moderate",),
    ("POST", "/v1/decisions/{id}/undo"): ("moderate",),
    ("GET", "/v1/decisions/{id}"): ("moderate",),
    ("GET", "/v1/decisions"): ("moderate",),
    ("GET", "/v1/decisions/{id}/statement"): ("comments", "moderate"),
    ("POST", "/v1/decisions/{id}/appeal"): ("comments",),
    ("GET", "/v1/appeals"): ("moderate",),
    ("GET", "/v1/appeals/{id}"): ("moderate",),
    ("POST", "/v1/appeals/{id}/decision"): ("moderate",),
    ("GET", "/v1/transparency"): ("moderate",),
    ("POST", "/v1/sites/{site}/hooks"): (),
    ("GET", "/v1/sites/{site}/hooks"): (),
    ("DELETE", "/v1/sites/{site}/hooks/{id}"): (),
    ("GET", "/v1/sites/{site}/hooks/{id}/dead"): (),
    ("POST", "/v1/sites/{site}/hooks/{id}/replay"): (),
    ("GET", "/v1/sites/{site}/authors/{id}/export"): ("comments",),
    ("DELETE", "/v1/sites/{site}/authors/{id}"): ("comments",),
    ("GET", "/v1/sites/{site}/reporters/{id}/export"): ("comments",),
    ("DELETE", "/v1/sites/{site}/reporters/{id}"): ("comments",),
    ("GET", "/v1/sites/{site}/policy"): ("moderate",),
    ("PUT", "/v1/sites/{site}/policy"): (),
    ("GET", "/v1/sites/{site}/policies"): ("moderate",),
    ("POST", "/v1/sites/{site}/policies"): (),
    ("POST", "/v1/sites/{site}/policies/backtest"): ("moderate",),
    ("GET", "/v1/sites/{site}/policies/{version:number}"): ("moderate",),
    ("PUT", "/v1/sites/{site}/policies/{version:number}/state"): (),
}


def routes() -> set[tuple[str, str]]:
    """The routes of moderation, as they are declared."""
    every = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return {(method, route.path) for route in every for method in route.methods or ()}


def filled(path: str) -> str:
    """A path that can be asked for."""
    return re.sub(r"\{([^}]+)\}", lambda found: FILLED.get(found[1], "0123456789abcdef"), path) + QUERIES.get(path, "")


@dataclass(frozen=True)
class Guarded:
    server: Server
    world: World
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder: Path = tmp_path_factory.mktemp("rights")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    secrets: dict[str, str] = {scope: keys.create(store, scope, [scope], 0)[1] for scope in keys.SCOPES}
    with running(folder / "log", mode="keys", database_url=url) as server:
        yield Guarded(server, World.made(store), secrets)
    store.close()


def test_every_route_has_its_rule() -> None:
    assert routes() == set(RULES)


@pytest.mark.parametrize(("method", "path", "allowed"), [(*route, scopes) for route, scopes in RULES.items()])
def test_the_scope_decides(guarded: Guarded, method: str, path: str, allowed: tuple[str, ...]) -> None:
    url = guarded.server.url + filled(path)
    for scope, secret in guarded.secrets.items():
        answer = requests.request(method, url, headers={"X-API-Key": secret}, json={}, timeout=60)
        assert (answer.status_code != 403) == (scope in (*allowed, "admin")), (scope, answer.text)
        assert answer.status_code < 500
    assert requests.request(method, url, json={}, timeout=60).status_code == 401


def test_who_decided_is_on_record(guarded: Guarded) -> None:
    world, secret = guarded.world, guarded.secrets["moderate"]
    world.moderator("ann")
    body = {"verdict": "keep", "moderator": " Ann "}
    made = call(guarded.server, "POST", f"/v1/cases/{world.case()}/decision", body, key=secret)
    assert (made["actor"], made["moderator"]) == ("moderator", "ann")
    assert made["key"]
    alone = call(guarded.server, "POST", f"/v1/cases/{world.case()}/decision", {"verdict": "keep"}, key=secret)
    assert (alone["actor"], alone["moderator"], alone["key"]) == ("key", None, made["key"])


def test_hooks_of_strangers_networks_are_refused_in_keys_mode(guarded: Guarded) -> None:
    for url in ("http://news.example/", "http://169.254.169.254/latest"):
        answer = call(guarded.server, "POST", f"{SITE}/hooks", {"url": url}, 422, guarded.secrets["admin"])
        assert answer["field"] == "url"
    made = call(guarded.server, "POST", f"{SITE}/hooks", {"url": "http://127.0.0.1:1/"}, 200, guarded.secrets["admin"])
    assert made["secret"].startswith("whsec_")
