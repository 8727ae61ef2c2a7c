"""Every route of the API, every scope of a key: who has the scope comes in, who has not stays out.

The console's routes and roles are in tests/serving/console.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import httpx2 as httpx
import pytest

from serving import keys
from serving.keys import Scope
from serving.store import Store
from tests import databases
from tests.service import Server, running

OPEN = {("GET", "/healthz"), ("GET", "/readyz")}
# Of each route the scopes that open it; `admin` opens all. Coral's calls are let in by their signature.
NEEDED: dict[tuple[str, str], set[Scope]] = {
    ("POST", "/v1/score"): {"score"},
    ("GET", "/v1/attributes"): {"score"},
    ("GET", "/metrics"): {"metrics"},
    ("POST", "/v1/admin/reload"): set(),
    ("GET", "/v1/sites"): {"moderate"},
    ("PUT", "/v1/sites/{site}"): set(),
    ("PUT", "/v1/sites/{site}/comments/{id}"): {"comments"},
    ("GET", "/v1/sites/{site}/comments/{id}"): {"comments"},
    ("DELETE", "/v1/sites/{site}/comments/{id}"): {"comments"},
    ("POST", "/v1/sites/{site}/comments/{id}/decision"): {"moderate"},
    ("POST", "/v1/reports"): {"reports"},
    ("POST", "/v1/reports/withdraw"): {"reports"},
    ("GET", "/v1/queue"): {"moderate"},
    ("POST", "/v1/queue/next"): {"moderate"},
    ("GET", "/v1/cases/{id}"): {"moderate"},
    ("POST", "/v1/cases/{id}/claim"): {"moderate"},
    ("POST", "/v1/cases/{id}/release"): {"moderate"},
    ("POST", "/v1/cases/{id}/decision"): {"moderate"},
    ("POST", "/v1/decisions/bulk"): {"moderate"},
    ("POST", "/v1/decisions/bulk/{id}/undo"): {"moderate"},
    ("GET", "/v1/decisions"): {"moderate"},
    ("GET", "/v1/decisions/{id}"): {"moderate"},
    ("POST", "/v1/decisions/{id}/undo"): {"moderate"},
    ("POST", "/v1/decisions/{id}/appeal"): {"comments"},
    ("GET", "/v1/decisions/{id}/statement"): {"comments", "moderate"},
    ("GET", "/v1/appeals"): {"moderate"},
    ("GET", "/v1/appeals/{id}"): {"moderate"},
    ("POST", "/v1/appeals/{id}/decision"): {"moderate"},
    ("GET", "/v1/transparency"): {"moderate"},
    ("GET", "/v1/sites/{site}/policy"): {"moderate"},
    ("PUT", "/v1/sites/{site}/policy"): set(),
    ("GET", "/v1/sites/{site}/policies"): {"moderate"},
    ("POST", "/v1/sites/{site}/policies"): set(),
    ("POST", "/v1/sites/{site}/policies/backtest"): {"moderate"},
    ("GET", "/v1/sites/{site}/policies/{version}"): {"moderate"},
    ("PUT", "/v1/sites/{site}/policies/{version}/state"): set(),
    ("GET", "/v1/sites/{site}/hooks"): set(),
    ("POST", "/v1/sites/{site}/hooks"): set(),
    ("DELETE", "/v1/sites/{site}/hooks/{id}"): set(),
    ("GET", "/v1/sites/{site}/hooks/{id}/dead"): set(),
    ("POST", "/v1/sites/{site}/hooks/{id}/replay"): set(),
    ("DELETE", "/v1/sites/{site}/authors/{id}"): {"comments"},
    ("DELETE", "/v1/sites/{site}/reporters/{id}"): {"comments"},
    ("GET", "/v1/sites/{site}/authors/{id}/export"): {"comments"},
    ("GET", "/v1/sites/{site}/reporters/{id}/export"): {"comments"},
}
# Tested with the dialects that they belong to.
ELSEWHERE = {
    "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore", "/$discovery/rest", "/batch", "/v1/moderations",
    "/predict", "/health", "/info", "/coral/moderate", "/report.js",
}  # fmt: skip
VALUES = {"version": "1"}
QUERY = "site=nothing&from=2026-01-01&to=2026-01-02"


@dataclass(frozen=True)
class Place:
    server: Server
    keys: dict[Scope, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("authorisation")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    made = {scope: keys.create(store, scope, [scope], 0)[1] for scope in get_args(Scope)}
    store.close()
    with running(folder / "log", mode="keys", database_url=url) as server:
        yield Place(server, made)


def test_no_route_is_forgotten(place: Place) -> None:
    described = httpx.get(f"{place.server.url}/openapi.json").json()["paths"]
    found = {(method.upper(), path) for path, methods in described.items() for method in methods}
    named = {(method, re.sub(r"\{(comment|case)\}", "{id}", path)) for method, path in found if path not in ELSEWHERE}
    assert named - OPEN == set(NEEDED)


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_each_scope_opens_what_it_is_for_and_nothing_else(place: Place, method: str, path: str) -> None:
    url = place.server.url + re.sub(r"\{(\w+)\}", lambda name: VALUES.get(name[1], "nothing"), path)
    with httpx.Client() as http:
        for headers in ({}, {"X-API-Key": "evh_made-up"}):
            for written in (url, f"{url}?{QUERY}"):
                assert http.request(method, written, headers=headers).status_code == 401
        for scope, secret in place.keys.items():
            answer = http.request(method, f"{url}?{QUERY}", headers={"X-API-Key": secret})
            if scope == "admin" or scope in NEEDED[method, path]:
                assert answer.status_code not in (401, 403), (scope, answer.text)
            else:
                assert answer.status_code == 403, (scope, answer.text)
                assert answer.json()["error"]["code"] == "forbidden"
