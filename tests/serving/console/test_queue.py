"""The queue."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from labels import taxonomy
from serving.artifact import Artifact
from serving.console.filters import LEVELS, Wanted
from serving.moderation import comments, moderators, sites
from serving.moderation.comments import Given
from serving.moderation.reasons import REASONS
from serving.moderation.submissions import AuthorPart, StoryPart, Submission
from serving.store import now
from tests.serving.console.browsing import PASSWORD, check
from tests.serving.console.conftest import House


def test_the_likeliest_to_be_upheld_is_on_top(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator", "/console/queue?site=courier")
    shares = [int(re.sub(r"\D", "", text)) for text in page.locator(".cases .big").all_inner_texts()]
    assert len(shares) > 5
    assert shares == sorted(shares, reverse=True)
    case = page.locator(".case", has_text="You are a liar and a fool")
    expect(case).to_contain_text("likely")
    expect(case).to_contain_text("riverman")
    expect(case).to_contain_text("Council votes to close Mill Lane")
    expect(case).to_contain_text("politics")
    expect(case).to_contain_text("abusive × 2")
    expect(case).to_contain_text("3 reports, waiting")
    expect(case).to_contain_text("past reports upheld (+1.")
    check(page)
    page.context.close()


def test_filters_narrow_the_queue_and_go_along(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator")

    def excerpts() -> set[str]:
        return {text[:8] for text in page.locator(".excerpt").all_inner_texts()}

    page.get_by_label("Section").select_option("transport")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="all cases").wait_for()
    assert excerpts() == {"If you c", "The dire"}
    page.get_by_label("Reported as").select_option("abusive")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**reason=abusive**")
    assert excerpts() == {"If you c"}
    page.locator(".excerpt a").click()
    assert "section=transport" in page.url
    page.goto("/console/queue?site=echo")
    assert excerpts() == {"If you c", "The dire"}
    page.goto("/console/queue?attribute=insult&at_least=0.5")
    assert {"You are ", "If you c"} <= excerpts()
    assert "Closing " not in excerpts()
    page.goto("/console/queue?section=gardening")
    expect(page.get_by_text("Nothing matches the filter.")).to_be_visible()
    check(page)
    page.context.close()


def test_strong_text_is_blurred_for_those_who_chose_so(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator", "/console/queue?site=courier")
    threat = page.locator(".excerpt a", has_text="Somebody should wait")
    assert "blur" in threat.evaluate("element => getComputedStyle(element).filter")
    threat.focus()
    expect(threat).to_have_css("filter", "none")
    mild = page.locator(".excerpt a", has_text="Closing a road")
    expect(mild).to_have_css("filter", "none")
    with house.store.writing() as session:  # one that teaches most, whatever the others of this house do
        submission = Submission(
            text="They should burn that house down.",
            author=AuthorPart(id="arsonist"),
            story=StoryPart(id="burning", title="A house"),
        )
        live, scores = Artifact.load().manifest, {"report_worthy": 0.5, "threat": 0.9}
        site = sites.find(session, "courier")
        comments.submit(session, site, "burning", submission, Given(f"{live.name} {live.version}", scores), now())
    for path in ("batch?site=courier&attribute=threat&from=0&to=1", "teach"):
        page.goto(f"/console/{path}")
        strong = page.locator("blockquote.veiled").first
        assert "blur" in strong.evaluate("element => getComputedStyle(element).filter")
        strong.focus()
        expect(strong).to_have_css("filter", "none")
        assert page.locator("blockquote:not(.veiled)").count()
        check(page)
    page.context.close()
    with house.store.writing() as session:
        row = moderators.create(session, "unblurred", PASSWORD, "moderator")
        row.preferences = {"blur": False}
    page = house.page(chromium, "unblurred")
    for path in ("queue", "batch?site=courier&attribute=threat&from=0&to=1", "teach"):
        page.goto(f"/console/{path}")
        assert page.locator(".veiled").count() == 0
    page.context.close()


def test_people_see_cases_of_their_sites_only(house: House) -> None:
    with house.store.writing() as session:
        moderators.create(session, "islander", PASSWORD, "admin", ["echo"])
    client = house.client("islander")
    text = client.get("/console/queue").text
    assert "whining moron" in text
    assert "liar and a fool" not in text
    assert "liar and a fool" not in client.get("/console/queue?site=courier").text
    assert "Mill Lane" not in text
    elsewhere, here = house.case("c2"), house.case("c14")
    assert client.get(f"/console/cases/{elsewhere}").status_code == 404
    assert client.get(f"/console/cases/{here}").status_code == 200
    token = client.token()
    for action in ("claim", "decide", "skip"):
        answer = client.post(
            f"/console/cases/{elsewhere}/{action}", {"csrf": token, "verdict": "keep", "revision": "1"}
        )
        assert answer.status_code == 404
    assert house.state("c2") == ("published", False)
    moved = client.post("/console/queue/next", {"csrf": token, "wanted": "site=courier"})
    assert moved.headers["location"].startswith("/console/queue?")


def test_a_bad_cursor_leads_to_the_first_page(house: House) -> None:
    answer = house.client("moderator").get("/console/queue?cursor=nonsense&section=sport")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queue?section=sport")


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "site": st.text(max_size=100),
        "section": st.text(max_size=200),
        "reason": st.one_of(st.sampled_from(sorted(REASONS)), st.text()),
        "attribute": st.one_of(st.sampled_from(taxonomy.load().names), st.text()),
        "at_least": st.one_of(st.sampled_from(LEVELS), st.text()),
        "escalated": st.one_of(st.just("yes"), st.text()),
        "skip": st.text(),
    },
)


@given(FIELDS)
def test_a_choice_of_cases_survives_being_an_address(fields: dict[str, str]) -> None:
    wanted = Wanted.read(fields)
    assert Wanted.parse(wanted.query) == wanted
    assert wanted.reason in ("", *REASONS)
    assert wanted.attribute in ("", *taxonomy.load().names)
    assert wanted.to("/console/queue").startswith("/console/queue")


def test_only_the_latest_cases_passed_over_are_remembered() -> None:
    wanted = Wanted(section="sport")
    for number in range(60):
        wanted = wanted.passed_over(f"case{number}")
    assert wanted.skip == tuple(f"case{number}" for number in range(10, 60))
    assert Wanted.parse(wanted.query) == wanted
