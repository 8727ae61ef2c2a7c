"""report.js in a real browser, in pages of another origin, against the real API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from serving import keys
from serving.moderation import comments, decisions, reports, sites
from serving.moderation.comments import Given
from serving.moderation.decisions import By
from serving.moderation.reports import Filing
from serving.moderation.sites import SiteSettings
from serving.moderation.submissions import Submission
from serving.moderation.tables import Comment, Report, Verdict
from serving.store import Store, now
from tests import databases
from tests.service import running
from tests.serving.reader.publisher import HOSTILE, publishing

QUESTION = "Unsuitable or offensive? Report this comment"
GERMAN = '{"report":"Unpassend? Kommentar melden","title":"Kommentar melden","send":"Melden","lang":"de"}'
KNOWN = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12")


@dataclass(frozen=True)
class Stage:
    """A newspaper at `url`, the service that its pages report to, and that one's database."""

    url: str
    service: str
    store: Store


def page_of(service: str, key: str, body: str, site: str = "paper", extra: str = "") -> tuple[str, str]:
    script = f'<script src="{service}/report.js" data-site="{site}" data-key="{key}" {extra} defer></script>'
    top = (
        '<!DOCTYPE html><html lang="en"><head><title>A story</title><meta name="viewport" content="width=device-width">'
    )
    return "text/html", f"{top}{script}</head><body><main><h1>A story</h1>{body}</main></body></html>"


def marked(*ids: str) -> str:
    return "".join(f'<article data-evenhand-comment="{id}" id="{id}"><p>Words of {id}.</p></article>' for id in ids)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("reporting")
    url = databases.fresh(folder)
    store = Store(url)
    store.open()
    with store.writing() as session:
        strict = sites.put(session, "strict", "Strict", SiteSettings(reports_per_hour=1), "test")
        paper = sites.put(session, "paper", "Paper", None, "test")
        for site in (paper, strict):
            for id in KNOWN:
                given = Given("test", {"report_worthy": 0.2})
                comments.submit(session, site, id, Submission(text=f"Words of {id}."), given, now())
    _, key = keys.create(store, "page", ["reports"], 0)
    with running(folder / "log", mode="keys", database_url=url) as server:
        files = {
            "/": page_of(server.url, key, marked(*KNOWN)),
            "/strict": page_of(server.url, key, marked("c1", "c2"), site="strict"),
            "/known": page_of(server.url, key, marked("c1", "c2"), extra='data-reporter="reader-77"'),
            "/german": page_of(server.url, key, marked("c1"), extra=f"data-labels='{GERMAN}'"),
            "/hostile": page_of(server.url, key, '<link rel="stylesheet" href="/style.css">' + marked("c11")),
            "/dark": page_of(server.url, key, '<link rel="stylesheet" href="/dark.css">' + marked("c1")),
            "/alone": page_of(
                server.url,
                key,
                '<article data-evenhand-comment="p1"><h2>Jo</h2><p data-evenhand-text>Nobody sent this.</p>'
                '<div data-evenhand-place></div><article data-evenhand-comment="c1"><p data-evenhand-text>Reply.</p>'
                "</article></article>",
            ),
            "/gone": page_of(server.url, key, marked("never-sent")),
            "/style.css": ("text/css", HOSTILE),
            "/dark.css": ("text/css", ":root { color-scheme: dark }"),
        }
        # As strict as it gets: nothing inline, no text becomes markup or code.
        policy = (
            f"default-src 'none'; script-src {server.url}; connect-src {server.url}; style-src 'self'; "
            "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        with publishing(files, policy) as newspaper:
            yield Stage(newspaper, server.url, store)
    store.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, stage: Stage) -> Iterator[Page]:
    """A page whose console must stay silent, that talks to nobody but publisher and service."""
    page = context.new_page()
    said: list[str] = []
    page.on(
        "console", lambda message: said.append(message.text) if "Failed to load resource" not in message.text else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((stage.url, stage.service)) else said.append(r.url))
    yield page
    assert said == []
    assert context.cookies() == []


def begin(page: Page, address: str, id: str) -> None:
    page.goto(address)
    page.locator(f"[data-evenhand-comment={id}]").get_by_role("button", name=QUESTION).last.click()
    expect(page.get_by_role("dialog", name="Report this comment")).to_be_visible()


def send(page: Page, reason: str) -> None:
    page.get_by_label(reason).check()
    page.get_by_role("button", name="Send report").click()


def found(stage: Stage, comment: str, site: str = "paper") -> list[Report]:
    with stage.store.session() as session:
        wanted = select(Report).join(Comment, Comment.id == Report.comment_id)
        rows = session.scalars(wanted.where(Comment.site_id == site, Comment.external_id == comment)).all()
        for row in rows:
            assert row.reporter.external_id
        return list(rows)


def decide(stage: Stage, comment: str, verdict: Verdict) -> None:
    with stage.store.writing() as session:
        row = comments.find(session, "paper", comment)
        reason = "abusive" if verdict == "remove" else None
        decisions.decide_comment(session, row, verdict, By("key", key_id="test"), reason=reason)


def test_a_reader_reports(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c1")
    page.get_by_label("Anything a moderator should know?").fill("He means my sister.")
    expect(page.get_by_text("481 characters left")).to_be_visible()
    send(page, "It insults or harasses someone")
    expect(page.get_by_role("status")).to_have_text("Thank you. A moderator will look at this comment.")
    expect(page.get_by_role("status")).to_be_focused()
    [report] = found(stage, "c1")
    assert (report.reason, report.details, report.notice) == ("abusive", "He means my sister.", None)
    kept = page.evaluate("localStorage.getItem('evenhand-reporter')")
    assert re.fullmatch("[0-9a-f]{32}", kept)
    assert report.reporter.external_id == kept
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#c1").get_by_role("button", name=QUESTION)).to_be_focused()


def test_it_works_by_keyboard_alone(page: Page, stage: Stage) -> None:
    page.goto(stage.url)
    expect(page.get_by_role("button", name=QUESTION)).to_have_count(len(KNOWN))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    link = page.locator("#c2").get_by_role("button", name=QUESTION)
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")  # the first reason has the focus
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("It attacks people")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("Look at the last line.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Anything a moderator should know?")).to_have_value("Look at the last line.")
    page.get_by_label("It attacks people").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    assert [report.reason for report in found(stage, "c2")] == ["hateful"]


def test_what_is_missing_is_announced_and_marked(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c3")
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("alert")).to_have_text("Some answers are missing or wrong. They are marked below.")
    first = page.get_by_label("It is foul or obscene")
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-invalid", "true")
    send(page, "Something else")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")


def test_a_notice_of_illegal_content_has_what_the_law_asks_for(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c4")
    send(page, "It is illegal")
    for label in ("Why is it illegal?", "Your name", "Your e-mail address", "I believe in good faith"):
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Why is it illegal?")).to_be_focused()
    page.get_by_label("Why is it illegal?").fill("It denies a crime, section 130.")
    page.get_by_label("I believe in good faith").check()
    page.get_by_label("Your name").fill("Jo Reader")
    page.get_by_label("Your e-mail address").fill("nowhere")
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_label("Your e-mail address")).to_be_focused()
    page.get_by_label("Your e-mail address").fill("jo@reader.example")
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("status")).to_contain_text("Your notice has been received.")
    [report] = found(stage, "c4")
    assert report.notice == {
        "explanation": "It denies a crime, section 130.",
        "name": "Jo Reader",
        "email": "jo@reader.example",
        "url": f"{stage.url}/",
        "child_protection": False,
        "good_faith": True,
    }


def test_nobody_has_to_give_a_name_to_report_the_abuse_of_children(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c5")
    page.get_by_label("It is illegal").check()
    page.get_by_label("It is about sexual abuse of children").check()
    page.get_by_label("Why is it illegal?").fill("It links to pictures.")
    page.get_by_label("I believe in good faith").check()
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("status")).to_contain_text("Your notice has been received.")
    [report] = found(stage, "c5")
    assert report.notice is not None
    assert report.notice["child_protection"]
    assert not {"name", "email"} & set(report.notice)


def test_the_fields_of_a_notice_are_there_for_one_only(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c6")
    page.get_by_label("It is illegal").check()
    page.get_by_label("Why is it illegal?").fill("I am not sure.")
    page.get_by_label("It is spam").check()
    expect(page.get_by_label("Why is it illegal?")).to_be_hidden()
    send(page, "It is spam")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    [report] = found(stage, "c6")
    assert (report.reason, report.notice) == ("spam", None)


def test_a_second_report_says_that_there_was_a_first(page: Page, stage: Stage) -> None:
    for expected in ("Thank you. A moderator will look", "You have reported this comment before."):
        begin(page, f"{stage.url}/known", "c1")
        send(page, "It threatens someone")
        expect(page.get_by_role("status")).to_contain_text(expected)
    assert [report.reason for report in found(stage, "c1") if report.reporter.external_id == "reader-77"] == [
        "threatening"
    ]
    assert page.evaluate("localStorage.length") == 0


def test_a_report_is_taken_back_and_made_again(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c7")
    send(page, "It is foul")
    page.get_by_role("button", name="Withdraw my report").click()
    expect(page.get_by_role("status")).to_have_text("Your report is withdrawn.")
    [report] = found(stage, "c7")
    assert report.withdrawn_at is not None
    page.get_by_role("button", name="Close").click()
    page.locator("#c7").get_by_role("button", name=QUESTION).click()
    send(page, "It is foul")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    [report] = found(stage, "c7")
    assert report.withdrawn_at is None


@pytest.mark.parametrize(
    ("comment", "verdict", "words"),
    [("c8", "keep", "decided that it stays"), ("c9", "remove", "has been removed already")],
)
def test_a_reader_learns_what_was_decided_before(
    page: Page, stage: Stage, comment: str, verdict: Verdict, words: str
) -> None:
    with stage.store.writing() as session:
        filing = Filing.model_validate({"reporter": {"id": "another"}, "reason": "abusive"})
        reports.file(session, "paper", comment, filing, now(), believed=True)
    decide(stage, comment, verdict)
    begin(page, stage.url, comment)
    send(page, "It insults")
    expect(page.get_by_role("status")).to_contain_text(words)
    expect(page.get_by_role("button", name="Withdraw my report")).to_have_count(0)


def test_too_many_reports_are_answered_in_words(page: Page, stage: Stage) -> None:
    begin(page, f"{stage.url}/strict", "c1")
    send(page, "It is spam")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    page.keyboard.press("Escape")
    page.locator("#c2").get_by_role("button", name=QUESTION).click()
    send(page, "It is spam")
    expect(page.get_by_role("alert")).to_contain_text("many reports in a short time")


def test_a_comment_that_the_service_does_not_know(page: Page, stage: Stage) -> None:
    begin(page, f"{stage.url}/gone", "never-sent")
    send(page, "It is spam")
    expect(page.get_by_role("alert")).to_have_text("This comment cannot be reported any more.")


def test_what_was_written_survives_a_network_that_fails(page: Page, stage: Stage) -> None:
    begin(page, stage.url, "c10")
    page.get_by_label("Anything a moderator should know?").fill("Keep this.")
    page.route("**/v1/reports", lambda route: route.abort())
    send(page, "It is spam")
    expect(page.get_by_role("alert")).to_have_text("Your report could not be sent. Please try again.")
    page.unroute("**/v1/reports")
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    assert [report.details for report in found(stage, "c10")] == ["Keep this."]


def test_comments_that_come_later_get_their_link(page: Page, stage: Stage) -> None:
    page.goto(stage.url)
    page.evaluate(
        """() => {
            const later = document.createElement("section");
            later.append(document.createElement("p"));
            later.firstChild.dataset.evenhandComment = "c12";
            document.getElementById("c12").replaceWith(later);
        }"""
    )
    begun = page.locator("section [data-evenhand-comment=c12]").get_by_role("button", name=QUESTION)
    begun.click()
    send(page, "It is spam")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    assert len(found(stage, "c12")) == 1
    # A framework that draws a comment anew throws the link away.
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('section [data-evenhand-comment=c12]').replaceChildren()")
    expect(begun).to_have_count(1)


def test_a_page_alone_sends_the_comment_itself(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.url}/alone")
    outer = page.locator("[data-evenhand-comment=p1] > [data-evenhand-place]")
    expect(outer.get_by_role("button", name=QUESTION)).to_have_count(1)
    outer.get_by_role("button", name=QUESTION).click()
    send(page, "It insults")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    with stage.store.session() as session:
        row = comments.find(session, "paper", "p1")
        assert row.revisions[-1].text == "Nobody sent this."
        assert row.from_reader
        assert row.story is not None
        assert (row.story.url, row.story.title) == (f"{stage.url}/alone", "A story")


def test_it_speaks_the_language_of_the_page(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.url}/german")
    page.get_by_role("button", name="Unpassend? Kommentar melden").click()
    expect(page.get_by_role("dialog", name="Kommentar melden")).to_be_visible()
    expect(page.get_by_role("button", name="Melden", exact=True)).to_be_visible()
    assert page.evaluate("document.querySelector('evenhand-report').lang") == "de"


def test_the_styles_of_a_page_do_not_reach_it(page: Page, stage: Stage) -> None:
    begin(page, f"{stage.url}/hostile", "c11")
    shown = page.evaluate(
        """() => [...document.querySelectorAll("evenhand-report")].map((host) => {
            const inner = host.shadowRoot.querySelector("dialog, button");
            const style = getComputedStyle(inner);
            const { width } = inner.getBoundingClientRect();
            return [inner.localName, parseFloat(style.fontSize), style.letterSpacing, width];
        })"""
    )
    assert {name for name, *_ in shown} == {"button", "dialog"}
    for name, size, spacing, width in shown:
        assert size >= (16 if name == "dialog" else 13)
        assert spacing == "normal"
        assert width > 200
    send(page, "It is spam")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")


@pytest.mark.parametrize("scheme", ["/", "/dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_nothing_bars_people_from_the_dialog(page: Page, stage: Stage, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 640})
    begin(page, f"{stage.url}{scheme}", "c1")
    send(page, "It is illegal")
    expect(page.get_by_role("alert").first).to_be_visible()
    result = Axe().run(page)
    assert result.violations_count == 0, result.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = page.evaluate(
        """() => {
            const dialog = [...document.querySelectorAll("evenhand-report")].at(-1).shadowRoot.querySelector("dialog");
            return [dialog.scrollWidth <= dialog.clientWidth, getComputedStyle(dialog).backgroundColor];
        }"""
    )
    assert inside[0]
    assert (inside[1] == "rgb(255, 255, 255)") == (scheme == "/")


def test_the_script_needs_no_store_of_the_browser(context: BrowserContext, stage: Stage) -> None:
    page = context.new_page()
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } })")
    begin(page, stage.url, "c11")
    send(page, "It has nothing to do")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    expect(page.get_by_role("button", name="Withdraw my report")).to_be_visible()
    page.get_by_role("button", name="Withdraw my report").click()
    expect(page.get_by_role("status")).to_have_text("Your report is withdrawn.")
    assert [r.withdrawn_at is None for r in found(stage, "c11") if r.reason == "off_topic"] == [False]
