"""One server with an account of each role, and one browser, for all tests of the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from serving.moderation import logins, moderators
from serving.store import Store
from tests import databases
from tests.service import running
from tests.serving.console.browsing import NAMES, Client, browser, make_accounts


@dataclass(frozen=True)
class House:
    """A running service and its database."""

    url: str
    store: Store

    def client(self, role: str | None = None) -> Client:
        """A client, logged in without the page for it."""
        made = Client(self.url)
        if role:
            with self.store.writing() as session:
                token = logins.start(session, moderators.find(session, NAMES[role]))
            made.carry(token)
        return made


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("console")
    url = databases.fresh(folder)
    with running(folder / "log", database_url=url) as server:
        store = Store(url)
        make_accounts(store)
        yield House(server.url, store)
        store.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found
