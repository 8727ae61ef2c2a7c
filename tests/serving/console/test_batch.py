from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from serving.artifact import Artifact
from serving.learning import models
from serving.moderation.tables import Case, Comment, Decision
from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.console.browsing import check, logged_in, make_accounts
from tests.serving.learning import desk


@dataclass(frozen=True)
class Place:
    server: Server
    store: Store


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("batch")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    live = models.called(Artifact.load().manifest)
    with store.writing() as session:
        for number in range(40):
            text = f"Comment {number} <b onclick=alert(1)>bold</b>"
            comment = desk.comment(session, text, {live: {"report_worthy": number / 40}})
            session.add(Case(site_id="demo", comment_id=comment.id, origin="moderator"))
        other = desk.comment(session, "Of another site.", {live: {"report_worthy": 0.99}}, on="other")
        session.add(Case(site_id="other", comment_id=other.id, origin="moderator"))
    make_accounts(store, {"moderator": ["demo"]})
    with running(folder / "log", database_url=url) as server:
        yield Place(server, store)
    store.close()


@pytest.fixture(scope="module")
def page(place: Place, chromium: Browser) -> Iterator[Page]:
    page = logged_in(chromium.new_context(), place.server.url, "moderator", "/console/batch")
    yield page
    page.context.close()


def open_cases(place: Place) -> int:
    with place.store.session() as session:
        return session.scalar(select(func.count()).select_from(Case).where(Case.closed_at.is_(None))) or 0


def test_a_dragged_range_is_sampled_decided_and_undone(place: Place, page: Page) -> None:
    check(page)
    page.set_viewport_size({"width": 1000, "height": 900})
    box = page.locator("[data-histogram] svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.51, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + 30, steps=4)
    page.mouse.up()
    expect(page.get_by_role("heading", level=2)).to_have_text("20 cases from 0.50 to 1.00")
    samples = page.get_by_role("article")
    assert samples.count() == 12
    expect(samples.first).to_contain_text("Comment 39 <b onclick=alert(1)>bold</b>")
    expect(samples.last).to_contain_text("Comment 20 ")
    page.get_by_label("I have looked at the samples").check()
    page.get_by_label("Reason for a removal").select_option("hateful")
    page.get_by_role("button", name="Remove 20").click()
    expect(page.get_by_role("status")).to_contain_text("20 decided.")
    with place.store.session() as session:
        made = session.scalars(select(Decision)).all()
        assert len(made) == 20 and len({one.bulk_id for one in made}) == 1
        assert {(one.action, one.reason) for one in made} == {("remove", "hateful")}
        gone = session.scalars(select(Comment).where(Comment.state == "rejected")).all()
        assert {comment.site_id for comment in gone} == {"demo"} and len(gone) == 20
    assert open_cases(place) == 21
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("20 undone.")
    assert open_cases(place) == 41


def test_what_changed_since_it_was_shown_is_left_alone(place: Place, page: Page) -> None:
    page.goto(f"{place.server.url}/console/batch?from=0.9&to=1")
    expect(page.get_by_role("heading", level=2)).to_have_text("4 cases from 0.90 to 1.00")
    with place.store.writing() as session:
        comment = session.scalars(select(Comment).where(Comment.site_id == "demo").order_by(Comment.id.desc())).first()
        assert comment
        comment.revision = 2
    page.get_by_label("I have looked at the samples").check()
    page.get_by_role("button", name="Keep 4").click()
    expect(page.get_by_role("status")).to_contain_text("3 decided; 1 left alone")


def test_another_site_is_not_there_and_without_the_tick_nothing_happens(place: Place, page: Page) -> None:
    answer = page.goto(f"{place.server.url}/console/batch?site=other")
    assert answer and answer.status == 404
    before = open_cases(place)
    page.goto(f"{place.server.url}/console/batch?from=0&to=1")
    form = page.locator("form[action='/console/batch'][method=post]")
    form.evaluate("form => form.noValidate = true")
    form.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Something is missing")
    for written in ("attribute=nothing", "from=x&to=nan"):
        answer = page.goto(f"{place.server.url}/console/batch?{written}")
        assert answer and answer.status == (404 if "attribute" in written else 200)
    assert open_cases(place) == before
