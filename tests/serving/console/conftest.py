"""One server with an account of each role and a newsroom's content, and one browser, for all tests of the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select, update

from serving.moderation import logins, moderators
from serving.moderation.tables import Case, Comment, Moderator
from serving.scorer import Scorer
from serving.store import Store
from tests import databases
from tests.service import running
from tests.serving.console.browsing import NAMES, Client, make_accounts
from tests.serving.console.newsroom import fill


@dataclass(frozen=True)
class House:
    """A running service and its database."""

    url: str
    store: Store

    def client(self, who: str | None = None) -> Client:
        """A client, logged in without the page for it. `who`: a role, or a name."""
        made = Client(self.url)
        if who:
            with self.store.writing() as session:
                token = logins.start(session, moderators.find(session, NAMES.get(who, who)))
            made.carry(token)
        return made

    def page(self, browser: Browser, who: str, path: str = "/console/queue", **options: Any) -> Page:
        """A page of a new browser context, logged in without the page for it."""
        context = browser.new_context(base_url=self.url, **options)
        token = self.client(who).http.cookies["evenhand"]
        context.add_cookies([{"name": "evenhand", "value": token, "url": self.url}])
        page = context.new_page()
        page.goto(path)
        return page

    def case(self, comment: str) -> str:
        """The id of the latest case of a comment, by the comment's outside id."""
        with self.store.session() as session:
            found = select(Case.id).join(Comment).where(Comment.external_id == comment)
            return session.scalars(found.order_by(Case.opened_at.desc())).first() or ""

    def state(self, comment: str) -> tuple[str, bool]:
        """A comment's state, and whether it is featured."""
        with self.store.session() as session:
            row = session.scalars(select(Comment).where(Comment.external_id == comment)).one()
            return row.state, row.featured


@pytest.fixture
def house(built: House) -> House:
    """The house, with no case claimed by anybody, and without preferences."""
    with built.store.writing() as session:
        session.execute(update(Case).values(claimed_by=None, leased_until=None))
        session.execute(update(Moderator).values(preferences={}))
    return built


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, scorer: Scorer) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("console")
    url = databases.fresh(folder)
    with running(folder / "log", database_url=url) as server:
        store = Store(url)
        make_accounts(store)
        fill(store, scorer)
        yield House(server.url, store)
        store.close()
