from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from serving.artifact import Artifact
from serving.learning import models
from serving.moderation import policies
from serving.moderation.tables import Policy
from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.console.browsing import Client, check, logged_in, make_accounts
from tests.serving.learning import desk

DRAFT = """
[[rules]]
attribute = "report_worthy"
at_least = 0.3
action = "hold"
reason = "<b>A moderator looks at it.</b>"
"""


@dataclass(frozen=True)
class Place:
    server: Server
    store: Store


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("policy")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    live = models.called(Artifact.load().manifest)
    with store.writing() as session:
        for number in range(20):
            desk.comment(session, f"Comment {number} <img src=x>", {live: {"report_worthy": number / 20}})
        desk.site(session, "other")
    make_accounts(store, {"moderator": ["demo"], "editor": ["demo"]})
    with running(folder / "log", database_url=url) as server:
        yield Place(server, store)
    store.close()


@pytest.fixture(scope="module")
def page(place: Place, chromium: Browser) -> Iterator[Page]:
    page = logged_in(chromium.new_context(), place.server.url, "editor", "/console/policy")
    yield page
    page.context.close()


def states(place: Place) -> dict[int, str]:
    with place.store.session() as session:
        return {one.version: one.state for one in session.query(Policy).filter_by(site_id="demo")}


def test_a_draft_is_tested_kept_put_in_shadow_and_live(place: Place, page: Page) -> None:
    expect(page.get_by_text("None yet: the default policy is live.")).to_be_visible()
    check(page)
    rules = page.get_by_label("The rules")
    rules.fill(DRAFT)
    page.get_by_role("button", name="Test on the latest").click()
    expect(page.get_by_role("heading", name="The test")).to_contain_text("20 comments, 4 treated otherwise")
    expect(page.get_by_role("heading", name="3 × flag → hold")).to_be_visible()
    expect(page.get_by_role("article").first).to_contain_text("<img src=x>")
    assert states(place) == {}
    check(page)
    expect(rules).to_have_value(DRAFT)
    page.get_by_label("What has changed").fill("Look at more <i>of them</i>")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_text("Look at more <i>of them</i>")).to_be_visible()
    assert states(place) == {1: "draft"}
    page.get_by_role("button", name="Version 1: run in shadow").click()
    expect(page.get_by_role("listitem").filter(has_text="Version 1")).to_contain_text("shadow")
    page.get_by_role("button", name="Version 1: go live").click()
    expect(page.get_by_role("listitem").filter(has_text="Version 1")).to_contain_text("live")
    expect(page.get_by_text("What is live on demo")).to_be_visible()
    assert states(place) == {1: "live"}
    with place.store.session() as session:
        assert policies.live(session, "demo").version == 1
    check(page)


def test_a_text_that_is_no_policy_is_refused_with_its_place_and_kept_on_the_page(place: Place, page: Page) -> None:
    before = states(place)
    page.goto(f"{place.server.url}/console/policy")
    for button in ("Test on the latest", "Keep as a draft"):
        page.get_by_label("The rules").fill('[[rules]]\nattribute = "anger"\naction = "hold"\n')
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("alert")).to_contain_text("rule 1: attribute")
        expect(page.get_by_label("The rules")).to_have_value('[[rules]]\nattribute = "anger"\naction = "hold"\n')
    assert states(place) == before


def test_only_editors_of_the_site_change_it(place: Place) -> None:
    for role, status in (("moderator", 403), ("editor", 404)):
        mine = Client(place.server.url)
        with mine.http:
            mine.log_in(role)
            form = {"csrf": mine.token(), "site": "other", "source": DRAFT, "do": "save"}
            assert mine.post("/console/policy", form).status_code == status
            assert mine.post("/console/policy/other/1", form | {"state": "live"}).status_code == status
            assert mine.get("/console/policy?site=other").status_code == status
