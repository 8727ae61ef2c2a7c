from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from serving.console.appeals import AT_ONCE
from serving.moderation import appeals, decisions
from serving.moderation.decisions import By
from serving.moderation.tables import Appeal, Comment, Moderator
from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.console.browsing import NAMES, check, logged_in, make_accounts
from tests.serving.learning import desk

NASTY = "<script>document.title='x'</script>"


@dataclass(frozen=True)
class Place:
    server: Server
    store: Store
    comments: dict[str, int]  # ids, by the role of who removed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("appeals")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    make_accounts(store)
    ids = {}
    with store.writing() as session:
        people = {one.name: one.id for one in session.scalars(select(Moderator))}
        for role in ("moderator", "editor"):
            comment = desk.comment(session, f"Removed by the {role}. {NASTY}", author=f"author-{role}")
            by = By("moderator", people[NAMES[role]])
            made = decisions.decide_comment(session, comment, "remove", by, reason="abusive", note=NASTY)
            appeals.file(session, made, f"author-{role}", f"That was unfair. {NASTY}", "key:test")
            ids[role] = comment.id
    with running(folder / "log", database_url=url) as server:
        yield Place(server, store, ids)
    store.close()


def test_a_moderator_sees_appeals_and_leaves_them_to_others(place: Place, chromium: Browser) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "moderator", "/console/appeals")
    assert page.get_by_role("article").count() == 2
    assert page.get_by_role("button", name="Overturn").count() == 0
    expect(page.get_by_text("An editor or admin decides this.").first).to_be_visible()
    page.context.close()


def test_an_editor_decides_others_removals_and_not_her_own(place: Place, chromium: Browser) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "editor", "/console/appeals")
    check(page)
    assert page.title() != "x"
    own = page.get_by_role("article").filter(has_text="Removed by the editor")
    expect(own).to_contain_text("You removed it, so somebody else decides.")
    other = page.get_by_role("article").filter(has_text="Removed by the moderator")
    expect(other).to_contain_text("That was unfair.")
    other.get_by_label("Note").fill("Harsh, and within the rules.")
    other.get_by_role("button", name="Overturn it").click()
    expect(page.get_by_role("article")).to_have_count(1)
    with place.store.session() as session:
        assert session.get_one(Comment, place.comments["moderator"]).state == "published"
        assert session.get_one(Comment, place.comments["editor"]).state == "rejected"
        assert {one.state for one in session.scalars(select(Appeal))} == {"open", "overturned"}
    page.get_by_role("link", name="Show those decided").click()
    expect(page.get_by_role("article")).to_contain_text("Harsh, and within the rules.")
    check(page)
    page.context.close()


def test_an_admin_upholds(place: Place, chromium: Browser) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "admin", "/console/appeals")
    own = page.get_by_role("article").filter(has_text="Removed by the editor")
    own.get_by_role("button", name="Uphold the removal").click()
    expect(page.get_by_text("No appeal is open.")).to_be_visible()
    with place.store.session() as session:
        assert session.get_one(Comment, place.comments["editor"]).state == "rejected"
    page.context.close()


def test_appeals_are_read_page_by_page(place: Place, chromium: Browser) -> None:
    more = AT_ONCE + 3
    with place.store.writing() as session:
        by = By("moderator", session.scalars(select(Moderator.id).where(Moderator.name == NAMES["moderator"])).one())
        for number in range(more):
            comment = desk.comment(session, f"Removed, {number} of many.", author=f"one of many {number}")
            made = decisions.decide_comment(session, comment, "remove", by, reason="abusive")
            appeals.file(session, made, f"one of many {number}", "Why?", "key:test")
    page = logged_in(chromium.new_context(), place.server.url, "editor", "/console/appeals")

    def read() -> list[str]:
        """The pages from here, in order: whose number, or "" for those of other tests."""
        texts = [re.search("Removed, (\\d+)", text) for text in page.get_by_role("article").all_inner_texts()]
        found = [text[1] if text else "" for text in texts]
        further = page.get_by_role("link", name="Next page")
        if not further.count():
            return found
        assert len(found) == AT_ONCE
        further.click()
        page.wait_for_url("**cursor=**")
        return found + read()

    longest_waiting_first = [number for number in read() if number]
    assert longest_waiting_first == [str(number) for number in range(more)]
    check(page)
    # What is decided meanwhile makes no other fall between two pages.
    page.get_by_role("link", name="First page").click()
    page.get_by_role("button", name="Uphold the removal").first.wait_for()
    further = page.get_by_role("link", name="Next page").get_attribute("href") or ""
    with place.store.writing() as session:
        ada = By("moderator", session.scalars(select(Moderator.id).where(Moderator.name == NAMES["admin"])).one())
        for appeal in list(session.scalars(select(Appeal).where(Appeal.state == "open").order_by(Appeal.at))):
            if appeal.text == "Why?":
                appeals.decide(session, appeal, "upheld", ada)
    page.goto(place.server.url + further)
    expect(page.get_by_text("That was the last page.")).to_be_visible()
    page.get_by_role("link", name="Show those decided").click()
    page.get_by_text("Removed, 52 of many.").wait_for()
    latest_first = [number for number in read() if number]
    assert latest_first == [str(number) for number in reversed(range(more))]
    page.goto(f"{place.server.url}/console/appeals?decided&cursor=made-up")
    assert page.url == f"{place.server.url}/console/appeals?decided="
    page.context.close()
