from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.moderation.calls import call
from tests.serving.moderation.world import World

_numbers = count(1)


@pytest.fixture
def world(store: Store) -> World:
    return World.made(store)


@dataclass(frozen=True)
class Service:
    """A running server and its database; each test has a site of its own in it."""

    server: Server
    store: Store

    def world(self, **settings: Any) -> World:
        return World.made(self.store, f"site-{next(_numbers)}", **settings)

    def call(self, method: str, path: str, body: Any = None, status: int = 200, key: str = "") -> Any:
        return call(self.server, method, path, body, status, key)


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("moderation")
    url = databases.fresh(folder)
    with running(folder / "log", database_url=url) as server:
        store = Store(url)
        store.open()
        yield Service(server, store)
        store.close()
