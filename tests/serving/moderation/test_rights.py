"""Each route asks for its scope, and takes no other; none tells more to who has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from serving import keys
from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.moderation.calls import call
from tests.serving.moderation.world import World

ID = "0123456789abcdef"
SITE = "/v1/sites/daily"
# Method, path, and the scopes that are let in; of others, admin always is.
ROUTES = [
    ("POST", f"/v1/cases/{ID}/decision", ("moderate",)),
    ("POST", f"{SITE}/comments/c/decision", ("moderate",)),
    ("POST", "/v1/decisions/bulk", ("moderate",)),
    ("POST", f"/v1/decisions/bulk/{ID}/undo", ("moderate",)),
    ("POST", f"/v1/decisions/{ID}/undo", ("moderate",)),
    ("GET", f"/v1/decisions/{ID}", ("moderate",)),
    ("GET", "/v1/decisions?site=daily", ("moderate",)),
    ("GET", f"/v1/decisions/{ID}/statement", ("comments", "moderate")),
    ("POST", f"/v1/decisions/{ID}/appeal", ("comments",)),
    ("GET", "/v1/appeals?site=daily", ("moderate",)),
    ("GET", f"/v1/appeals/{ID}", ("moderate",)),
    ("POST", f"/v1/appeals/{ID}/decision", ("moderate",)),
    ("GET", "/v1/transparency?site=daily&from=2026-01-01&to=2026-01-02", ("moderate",)),
    ("POST", f"{SITE}/hooks", ()),
    ("GET", f"{SITE}/hooks", ()),
    ("DELETE", f"{SITE}/hooks/{ID}", ()),
    ("GET", f"{SITE}/hooks/{ID}/dead", ()),
    ("POST", f"{SITE}/hooks/{ID}/replay", ()),
    ("GET", f"{SITE}/authors/u1/export", ("comments",)),
    ("DELETE", f"{SITE}/authors/u1", ("comments",)),
    ("GET", f"{SITE}/reporters/u1/export", ("comments",)),
    ("DELETE", f"{SITE}/reporters/u1", ("comments",)),
]


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


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_the_scope_decides(guarded: Guarded, method: str, path: str, allowed: tuple[str, ...]) -> None:
    for scope, secret in guarded.secrets.items():
        answer = requests.request(method, guarded.server.url + path, headers={"X-API-Key": secret}, json={}, timeout=60)
        assert (answer.status_code != 403) == (scope in (*allowed, "admin")), (scope, answer.text)
        assert answer.status_code < 500
    assert requests.request(method, guarded.server.url + path, json={}, timeout=60).status_code == 401


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
