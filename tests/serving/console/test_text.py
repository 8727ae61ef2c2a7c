"""Whatever people write is shown as text: every field that reaches a page of the queue or a case, with markup in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from serving.moderation import comments, decisions, moderators, reports, sites
from serving.moderation.comments import Given
from serving.moderation.decisions import By
from serving.moderation.notices import Notice
from serving.moderation.reports import Filing, ReporterPart
from serving.moderation.submissions import AuthorPart, StoryPart, Submission
from serving.moderation.tables import Case, Moderator
from serving.store import now
from tests.serving.console.browsing import PASSWORD
from tests.serving.console.conftest import House


def nasty(field: str) -> str:
    """Markup that would run in a text, in an attribute, in a script and in a template; and says where it came from."""
    return f"{field} </p></textarea>\"'><script>ran='{field}'</script><img src=x onerror=ran='{field}'>{{{{9*695728}}}}"


@pytest.fixture(scope="module")
def infested(built: House) -> str:
    """The id of a case around which every text is nasty."""
    with built.store.writing() as session:
        site = sites.put(session, "nasty", nasty("site"), None, "command")
        moderator = moderators.create(session, "placeholder", PASSWORD, "admin")
        session.flush()
        session.get_one(Moderator, moderator.id).name = nasty("moderator")[:100]
        story = StoryPart(id="s", title=nasty("title"), section=nasty("section")[:100], url="https://x.example/'\"><b>")
        scores = Given(nasty("model"), {"report_worthy": 0.4, "insult": 0.6})
        made = {}
        for name, parent in (("above", None), ("this", "nasty-above"), ("below", "nasty-this"), ("before", None)):
            submission = Submission(
                text=nasty(f"text-{name}"), author=AuthorPart(id="x", name=nasty("author")), story=story, parent=parent
            )
            made[name] = comments.submit(session, site, f"nasty-{name}", submission, scores, now()).comment
        notice = Notice(
            explanation=nasty("explanation"), legal_ground=nasty("ground"), url="https://y.example/\"'><script>",
            name=nasty("noticer"), email="\"'><script>@z.example", good_faith=True,
        )  # fmt: skip
        for name in ("before", "this"):
            filings = (
                Filing(reporter=ReporterPart(id=nasty("reader")), reason="other", details=nasty("details")),
                Filing(reporter=ReporterPart(id="r"), reason="illegal", details=nasty("more"), notice=notice),
            )
            for filing in filings:
                reports.file(session, "nasty", f"nasty-{name}", filing, now() - timedelta(minutes=1), believed=True)
        cases = {name: session.scalars(select(Case).where(Case.comment_id == made[name].id)).one() for name in
                 ("before", "this")}  # fmt: skip
        by = By("moderator", moderator.id)
        decisions.decide(session, cases["before"], "remove", by, reason="illegal", note=nasty("note"), law=nasty("law"))
        decisions.decide(session, cases["this"], "escalate", by, note=nasty("note"))
        # an address that an old version let in
        made["this"].story.url = "javascript:ran='url'"  # type: ignore[union-attr]
        return cases["this"].id


def test_no_text_becomes_markup(house: House, infested: str, chromium: Browser) -> None:
    page = house.page(chromium, "admin", "/console/preferences")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    expected = {
        "/console/queue?site=nasty": {"text-this", "author", "title", "section", "site"},
        f"/console/cases/{infested}": {
            "text-above", "text-this", "text-below", "text-before", "author", "title", "section", "site", "details",
            "more", "explanation", "ground", "noticer", "note", "moderator", "model",
        },
    }  # fmt: skip
    for path, fields in expected.items():
        page.goto(path)
        for folded in page.locator("main details:not(.choices)").all():
            folded.evaluate("element => { element.open = true }")
        page.wait_for_timeout(200)  # an image that fails does so a little later
        source, text = page.content(), page.locator("body").inner_text()
        for field in fields:
            assert f"{field} </p></textarea>\"'><script>" in text or field in ("author", "section", "moderator"), field
            assert f"{field} &lt;/p&gt;" in source, field
        assert page.evaluate("typeof ran") == "undefined"
        assert page.locator("img[src=x], main script").count() == 0
        assert page.locator("[href^='javascript']").count() == 0
        assert "6261552" not in text  # 9 * 695728, of so many digits that no random id has them
    # What was typed wrong to log in, and what stands in an address, is text too.
    client = house.client()
    answer = client.post("/console/login", {"name": nasty("name"), "password": "x", "next": nasty("next")})
    assert "<script>ran" not in answer.text
    for path in (nasty("path"), f"login?next={nasty('next')}", f"queue?section={nasty('section')}&cursor=x"):
        assert "<script>ran" not in house.client("admin").http.get(f"/console/{path}").text
    assert complaints == []
    page.context.close()
