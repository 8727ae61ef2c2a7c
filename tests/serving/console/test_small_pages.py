"""Good comments, Teach, Insights, People and Audit, in a browser and by their forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from serving.artifact import Artifact
from serving.learning import models
from serving.moderation.tables import Case, Comment, Decision
from serving.store import Store, now
from tests import databases
from tests.service import Server, running
from tests.serving.console.browsing import Client, check, logged_in, make_accounts
from tests.serving.console.conftest import House
from tests.serving.learning import desk

NASTY = "<script>document.title='x'</script><img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class Place:
    server: Server
    store: Store
    good: int  # ids of comments
    unsure: int
    hidden: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pages")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    live = models.called(Artifact.load().manifest)

    def scores(constructive: float, report_worthy: float) -> dict[str, dict[str, float]]:
        return {live: {"constructive": constructive, "report_worthy": report_worthy}}

    with store.writing() as session:
        best = desk.comment(session, f"Three reasons, with figures. {NASTY}", scores(0.9, 0.02), author=NASTY)
        desk.comment(session, "Well argued, and vile.", scores(0.95, 0.8), story="vile")
        desk.comment(session, "First!", scores(0.05, 0.03), story="first")
        unsure = desk.comment(session, "Is this allowed?", scores(0.3, 0.5), story="unsure")
        hidden = desk.comment(session, "Of another site.", scores(0.8, 0.5), on="other", story="o")
        ids = best.id, unsure.id, hidden.id
    make_accounts(store, {"moderator": ["demo"], "editor": ["demo"]})
    with running(folder / "log", database_url=url) as server:
        yield Place(server, store, *ids)
    store.close()


@contextmanager
def client(place: Place, role: str, **password: str) -> Iterator[Client]:
    found = Client(place.server.url)
    with found.http:
        assert found.log_in(role, **password).status_code == 303
        yield found


def state(place: Place, comment: int) -> Comment:
    with place.store.session() as session:
        return session.get_one(Comment, comment)


@pytest.mark.parametrize("path", ["good", "teach", "people", "audit", "insights", "batch"])
def test_nothing_bars_people_from_the_pages_and_no_text_becomes_markup(
    place: Place, chromium: Browser, path: str
) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "admin", f"/console/{path}")
    check(page)
    assert page.title() != "x" and page.locator("img[src=x]").count() == 0
    page.context.close()


def test_good_comments_are_featured_and_no_longer(place: Place, chromium: Browser) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "moderator", "/console/good")
    cards = page.get_by_role("article")
    expect(cards.first).to_contain_text("Three reasons")
    assert not page.get_by_text("vile").count() and not page.get_by_text("another site").count()
    cards.first.get_by_role("button", name="Feature").click()
    expect(page.get_by_role("article").first).not_to_contain_text("Three reasons")
    assert state(place, place.good).featured
    page.get_by_label("featured already").check()
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Feature no longer").click()
    expect(page.get_by_text("Nothing is featured.")).to_be_visible()
    assert not state(place, place.good).featured
    page.context.close()


def test_a_lesson_is_decided_and_gone(place: Place, chromium: Browser) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "moderator", "/console/teach")
    first = page.get_by_role("article").first
    expect(first).to_contain_text("Is this allowed?")
    expect(first).to_contain_text("the model gives 0.50")
    first.get_by_label("Reason").select_option("abusive")
    first.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("article").first).not_to_contain_text("Is this allowed?")
    assert state(place, place.unsure).state == "rejected"
    with place.store.session() as session:
        decision = session.query(Decision).filter_by(comment_id=place.unsure).one()
        assert (decision.action, decision.reason, decision.actor) == ("remove", "abusive", "moderator")
    page.context.close()


@pytest.mark.parametrize("path", ["good", "teach"])
def test_what_is_of_another_site_is_not_there(place: Place, path: str) -> None:
    with client(place, "moderator") as mine:
        form = {"csrf": mine.token(), "do": "feature" if path == "good" else "keep", "revision": "1"}
        assert mine.post(f"/console/{path}/{place.hidden}", form).status_code == 404
        assert mine.post(f"/console/{path}/123456789", form).status_code == 404
    assert not state(place, place.hidden).featured


def test_a_text_that_changed_since_it_was_shown_is_not_decided(place: Place) -> None:
    with client(place, "moderator") as mine:
        form = {"csrf": mine.token(), "do": "feature", "revision": "7"}
        assert mine.post(f"/console/good/{place.good}", form).status_code == 409
    assert not state(place, place.good).featured


def test_an_admin_makes_changes_and_ends_an_account(place: Place, chromium: Browser) -> None:
    page = logged_in(chromium.new_context(), place.server.url, "admin", "/console/people")
    form = page.locator("form[action='/console/people']")
    form.get_by_label("Name").fill("nora")
    form.get_by_label("Password").fill("too short")
    form.evaluate("form => form.noValidate = true")
    form.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("12 to 1,000 characters")
    form.get_by_label("Password").fill("a long enough password")
    form.get_by_role("button").click()
    card = page.get_by_role("region", name="nora")
    card.get_by_text("Change", exact=True).click()
    card.get_by_label("Role").select_option("editor")
    card.get_by_label("demo").check()
    card.get_by_role("button", name="Keep role and sites").click()
    card = page.get_by_role("region", name="nora")
    expect(card).to_contain_text("editor")
    expect(card).to_contain_text("demo ·")
    with client(place, "nora", password="a long enough password") as nora:
        assert nora.get("/console/good").status_code == 200
        card.get_by_text("Change", exact=True).click()
        card.get_by_role("button", name="End this account").click()
        expect(page.get_by_role("region", name="nora")).to_contain_text("may not log in")
        assert nora.get("/console/good").status_code == 303  # at once
    page.goto(f"{place.server.url}/console/audit")
    expect(page.get_by_role("row").nth(1)).to_contain_text("moderator.disabled")
    expect(page.get_by_role("row").nth(1)).to_contain_text("nora")
    page.get_by_role("button", name="Check the whole log").click()
    expect(page.get_by_role("status")).to_contain_text("as they were written")
    page.context.close()


def test_the_last_admin_stays(place: Place) -> None:
    with client(place, "admin") as ada:
        page = ada.get("/console/people").text
        own = page.split("you</small>")[0].rsplit('id="person-', 1)[1].split('"')[0]
        for form in ({"do": "disable"}, {"do": "change", "role": "moderator"}):
            answer = ada.post(f"/console/people/{own}", {"csrf": ada.token(), **form})
            assert answer.status_code == 422 and "last admin" in answer.text
        assert ada.get("/console/people").status_code == 200


def test_insights_are_charts_that_say_their_numbers(house: House, chromium: Browser) -> None:
    live = models.called(Artifact.load().manifest)
    with house.store.writing() as session:
        for number in range(240):
            removed, recent = number % 2 == 0, number < 120
            scores = {"threat": 0.95 if removed and recent else 0.05}
            made = desk.comment(session, f"Seen {number}", {live: scores}, on="seen")
            made.revisions[0].scores[0].created_at = now() - timedelta(days=1 if recent else 20)
            if number < 24:  # twelve in each of two weeks
                at = now() - timedelta(weeks=number // 12)
                case = Case(site_id="seen", comment_id=made.id, origin="report", opened_at=at, closed_at=at)
                session.add(case)
                session.flush()
                decided = desk.decision(session, made, "remove" if removed else "keep", at=at)
                decided.case_id, decided.scores = case.id, scores
    page = house.page(chromium, "editor", "/console/insights?site=seen")
    agreement = page.get_by_role("region", name="Agreement by attribute")
    expect(agreement.get_by_role("row").filter(has_text="threat").get_by_role("img")).to_have_accessible_name(
        "1.00, 1.00"
    )
    expect(agreement.get_by_role("row").filter(has_text="insult").get_by_role("img")).to_have_accessible_name(
        "too few in any week"
    )
    drift = page.get_by_role("region", name="Drift by attribute").get_by_role("row").filter(has_text="threat")
    expect(drift).to_contain_text("shifted")
    expect(drift.get_by_role("img")).to_have_accessible_name(re.compile("^0.0 to 0.1: 100%, now 50%; 0.1 to 0.2: 0%"))
    check(page)
    page.context.close()
