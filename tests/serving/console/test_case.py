"""A case: what it shows, and deciding it, by keys, without a script, and against others who want it too."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from serving.console.highlights import Span, pieces
from serving.moderation import comments, moderators, reports, sites
from serving.moderation.comments import Given
from serving.moderation.reports import Filing, ReporterPart
from serving.moderation.submissions import AuthorPart, StoryPart, Submission
from serving.moderation.tables import Case, Comment, Decision, Revision, RevisionScores
from serving.store import Store, now
from serving.triage.ranking import sigmoid
from tests import databases
from tests.service import running
from tests.serving.console.browsing import PASSWORD, check, make_accounts
from tests.serving.console.conftest import House


@pytest.fixture
def fresh(house: House, request: pytest.FixtureRequest) -> list[str]:
    """The ids of three reported comments, likeliest first, in a section of their own; nobody has their cases."""
    section = re.sub(r"\W", "", request.node.name)[:60]
    names = [f"{section}-{letter}" for letter in "abc"]
    with house.store.writing() as session:
        site = sites.put(session, "bench", "The Bench", None, "command")
        for place, name in enumerate(names):
            submission = Submission(
                text=f"{name}: what you say is rubbish, as ever.",
                author=AuthorPart(id=f"author of {name}"),
                story=StoryPart(id=section, title=f"A story of {section}", section=section),
            )
            scores = Given("made", {"report_worthy": 0.3 - place / 10, "insult": 0.4, "constructive": 0.1})
            comments.submit(session, site, name, submission, scores, now())
            filing = Filing(reporter=ReporterPart(id=f"reader of {name}"), reason="abusive")
            reports.file(session, "bench", name, filing, now(), believed=True)
    return names


def section_of(names: list[str]) -> str:
    return names[0].removesuffix("-a")


def shown(page: Page) -> str:
    """The comment that the page is about."""
    return page.locator("article.comment .text").inner_text().split(":")[0]


def test_a_moderator_works_by_keys_alone(house: House, chromium: Browser, fresh: list[str]) -> None:
    first, second, third = fresh
    page = house.page(chromium, "moderator", f"/console/queue?section={section_of(fresh)}")
    keys = page.keyboard
    keys.press("s")
    page.wait_for_url("**/console/cases/**")
    assert shown(page) == first
    expect(page.locator(".lease")).to_contain_text("Yours until")
    keys.press("2")  # no reason is asked for yet: nothing happens
    keys.press("r")
    expect(page.get_by_role("button", name="Insults or harasses somebody")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("button", name="Insults or harasses somebody")).to_be_hidden()
    keys.press("n")
    keys.type("keep out; 2 k r f s e u")  # typed, not done
    keys.press("Escape")
    keys.press("r")
    keys.press("2")
    expect(page.get_by_role("status")).to_contain_text("removed: Insults or harasses somebody")
    assert shown(page) == second  # the next case is there at once, and claimed
    expect(page.locator(".lease")).to_contain_text("Yours until")
    assert house.state(first) == ("rejected", False)
    keys.press("u")
    page.wait_for_url(f"**/console/cases/{house.case(first)}**")
    assert shown(page) == first
    assert house.state(first) == ("published", False)
    expect(page.locator(".history")).to_contain_text("keep out; 2 k r f s e u")
    expect(page.locator(".history")).to_contain_text("undone")
    keys.press("k")
    page.wait_for_url("**done=**")
    assert house.state(first) == ("published", False)
    assert shown(page) == second  # which is this moderator's already
    keys.press("s")
    page.wait_for_url("**skip=**")
    assert shown(page) == third
    keys.press("f")
    expect(page.get_by_text("You passed over 1 case")).to_be_visible()
    check(page)
    assert house.state(third) == ("published", True)
    keys.press("s")
    page.wait_for_url("**/console/cases/**")
    assert shown(page) == second
    keys.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    keys.press("e")
    page.wait_for_url("**done=**")
    with house.store.session() as session:
        assert session.get_one(Case, house.case(second)).escalated
    page.context.close()


def test_keys_can_be_turned_off(house: House, chromium: Browser, fresh: list[str]) -> None:
    with house.store.writing() as session:
        row = moderators.create(session, "keyless", PASSWORD, "moderator")
        row.preferences = {"keys": False}
    page = house.page(chromium, "keyless", f"/console/cases/{house.case(fresh[0])}")
    page.keyboard.press("k")
    page.keyboard.press("r")
    assert page.locator("details.choices[open]").count() == 0
    page.get_by_role("button", name="Keep").click()
    page.wait_for_url("**done=**")
    page.context.close()


def test_all_of_it_works_without_a_script(house: House, chromium: Browser, fresh: list[str]) -> None:
    page = house.page(chromium, "moderator", f"/console/queue?section={section_of(fresh)}", java_script_enabled=False)
    page.get_by_role("button", name="Start").click()
    page.locator("details.choices summary").click()
    page.get_by_label("Note for other moderators").fill("seen it before")
    page.get_by_role("button", name="Spam or advertising").click()
    expect(page.get_by_role("status")).to_contain_text("removed: Spam or advertising")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".history")).to_contain_text("seen it before")
    page.get_by_role("button", name="Skip").click()
    expect(page.locator("article.comment .text")).to_contain_text(fresh[1])
    page.get_by_role("button", name="Escalate").click()
    expect(page.locator("article.comment .text")).to_contain_text(fresh[2])
    page.get_by_role("button", name="Feature").click()
    expect(page.get_by_role("status").first).to_contain_text("featured")
    assert house.state(fresh[2]) == ("published", True)
    page.context.close()


def test_two_browsers_race_for_a_case(house: House, chromium: Browser, fresh: list[str]) -> None:
    path = f"/console/cases/{house.case(fresh[0])}"
    one, other = house.page(chromium, "moderator", path), house.page(chromium, "editor", path)
    one.get_by_role("button", name="Claim").click()
    expect(one.locator(".lease")).to_contain_text("Yours until")
    other.get_by_role("button", name="Keep").click()  # the page was loaded before
    expect(other.get_by_role("heading", name="Someone else has this case")).to_be_visible()
    expect(other.get_by_text("mo is looking at it.")).to_be_visible()
    check(other)
    other.goto(path)
    with house.store.session() as session:
        until = session.get_one(Case, house.case(fresh[0])).leased_until
    assert until
    left = math.ceil((until - now()) / timedelta(minutes=1))  # ten, if the checks above took less than one
    expect(other.locator(".lease")).to_contain_text(re.compile(rf"mo has it for ({left}|{left + 1}) min"))
    assert other.get_by_role("button", name="Keep").count() == 0
    one.get_by_role("button", name="Keep").click()
    one.wait_for_url("**done=**")
    assert other.goto(path)
    expect(other.locator(".lease")).to_contain_text("This case is closed")
    one.context.close()
    other.context.close()


def test_of_many_who_ask_at_once_one_gets_a_case(house: House, fresh: list[str]) -> None:
    clients = [house.client(role) for role in ("moderator", "editor", "admin")]
    forms = [{"csrf": client.token(), "wanted": f"section={section_of(fresh)}"} for client in clients]
    start = Barrier(len(clients))

    def everyone(path: str, **more: str) -> list[tuple[int, str]]:
        def ask(number: int) -> tuple[int, str]:
            start.wait()
            answer = clients[number].post(path, forms[number] | more)
            return answer.status_code, answer.headers.get("location", "")

        with ThreadPoolExecutor(len(clients)) as pool:
            return list(pool.map(ask, range(len(clients))))

    got = everyone("/console/queue/next")
    assert {status for status, _ in got} == {303}
    assert {place.partition("?")[0] for _, place in got} == {f"/console/cases/{house.case(name)}" for name in fresh}
    for name in fresh:  # back into the queue
        with house.store.writing() as session:
            case = session.get_one(Case, house.case(name))
            case.claimed_by = case.leased_until = None
    assert sorted(status for status, _ in everyone(f"/console/cases/{house.case(fresh[0])}/claim")) == [303, 409, 409]
    decided = everyone(f"/console/cases/{house.case(fresh[1])}/decide", verdict="keep", revision="1")
    assert sorted(status for status, _ in decided) == [303, 409, 409]
    with house.store.session() as session:
        made = session.scalars(select(Decision).where(Decision.case_id == house.case(fresh[1]))).all()
        assert [(one.actor, one.action) for one in made] == [("moderator", "keep")]


def test_a_lease_ends_by_itself(house: House, fresh: list[str]) -> None:
    case = house.case(fresh[0])
    one, other = house.client("moderator"), house.client("editor")
    path = f"/console/cases/{case}/claim"
    assert one.post(path, {"csrf": one.token()}).status_code == 303
    assert other.post(path, {"csrf": other.token()}).status_code == 409
    with house.store.writing() as session:
        session.get_one(Case, case).leased_until = now() - timedelta(seconds=1)
    assert other.post(path, {"csrf": other.token()}).status_code == 303


def test_who_comes_too_late_is_told_who_was_faster(house: House, fresh: list[str]) -> None:
    path = f"/console/cases/{house.case(fresh[0])}/decide"
    one, other = house.client("moderator"), house.client("editor")
    form = {"verdict": "keep", "revision": "1"}
    assert one.post(path, {"csrf": one.token()} | form).status_code == 303
    answer = other.post(path, {"csrf": other.token()} | form)
    assert answer.status_code == 409
    assert "It has been decided already" in answer.text
    assert "mo was faster" in answer.text


def test_a_text_that_changed_meanwhile_is_not_decided_unseen(house: House, fresh: list[str]) -> None:
    client = house.client("moderator")
    form = {"csrf": client.token(), "reason": "abusive", "revision": "1"}
    with house.store.writing() as session:
        row = session.scalars(select(Comment).where(Comment.external_id == fresh[0])).one()
        row.revision = 2
        row.revisions.append(Revision(number=2, text="I am sorry that I was so rude.", digest=b"2" * 32))
    answer = client.post(f"/console/cases/{house.case(fresh[0])}/decide", form)
    assert answer.status_code == 409
    assert "The text has changed" in answer.text
    page = client.get(f"/console/cases/{house.case(fresh[0])}").text
    assert "I am sorry that I was so rude." in page
    assert "1 earlier wording" in page
    assert "of wording 1" in page  # the report was of the old one
    assert "This wording has no scores." in page


def test_what_cannot_be_decided_says_why(house: House, fresh: list[str]) -> None:
    client = house.client("moderator")
    path, token = f"/console/cases/{house.case(fresh[0])}/decide", client.token()

    def told(**form: str) -> tuple[int, str]:
        answer = client.post(path, {"csrf": token} | form)
        return answer.status_code, re.sub(r"<[^>]+>", "", answer.text)

    status, text = told()
    assert (status, "Nothing was chosen" in text) == (422, True)
    status, text = told(verdict="destroy")
    assert status == 422
    status, text = told(verdict="remove")
    assert (status, "a removal is explained to its author" in text) == (422, True)
    status, text = told(reason="because")
    assert status == 422
    status, text = told(verdict="keep", note="x" * 2001)
    assert (status, "Expected at most 2,000 characters" in text) == (422, True)
    assert told(verdict="keep", revision="9" * 30)[0] == 303  # no number of a revision: as if there was none


def test_an_escalated_case_is_for_editors(house: House, fresh: list[str]) -> None:
    case, section = house.case(fresh[0]), section_of(fresh)
    moderator, editor = house.client("moderator"), house.client("editor")
    path = f"/console/cases/{case}/decide"
    assert moderator.post(path, {"csrf": moderator.token(), "verdict": "escalate"}).status_code == 303
    assert fresh[0] not in moderator.get(f"/console/queue?section={section}").text
    assert "Escalated: an editor decides it." in moderator.get(f"/console/cases/{case}").text
    answer = moderator.post(path, {"csrf": moderator.token(), "verdict": "keep"})
    assert (answer.status_code, "It is escalated" in answer.text or "escalated" in answer.text) == (403, True)
    assert fresh[0] in editor.get(f"/console/queue?section={section}&escalated=yes").text
    answer = editor.post(path, {"csrf": editor.token(), "reason": "illegal", "law": "An Act of 1986"})
    assert answer.status_code == 303
    with house.store.session() as session:
        made = session.scalars(
            select(Decision).where(Decision.case_id == case).order_by(Decision.at.desc()).limit(1)
        ).one()
        assert (made.action, made.reason, made.law) == ("remove", "illegal", "An Act of 1986")


def test_only_ones_own_decision_can_be_undone_by_a_moderator(house: House, fresh: list[str]) -> None:
    editor, moderator = house.client("editor"), house.client("moderator")
    case = house.case(fresh[0])
    answer = editor.post(f"/console/cases/{case}/decide", {"csrf": editor.token(), "reason": "abusive"})
    made = answer.headers["location"].rpartition("done=")[2]
    assert "Undo" not in moderator.get(f"/console/cases/{case}").text
    path = f"/console/decisions/{made}/undo"
    assert moderator.post(path, {"csrf": moderator.token()}).status_code == 403
    assert house.state(fresh[0]) == ("rejected", False)
    # nor does an address make it look like one's own
    assert "Done:" not in moderator.get(f"/console/queue?done={made}").text
    answer = editor.post(path, {"csrf": editor.token()})
    assert answer.headers["location"] == f"/console/cases/{case}"
    assert house.state(fresh[0]) == ("published", False)
    again = editor.post(path, {"csrf": editor.token()})
    assert (again.status_code, "undone already" in again.text) == (409, True)


def test_a_case_shows_what_there_is_to_know(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator", f"/console/cases/{house.case('c2')}")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Council votes to close Mill Lane"))
    above, below = page.locator(".neighbour").all()
    expect(above).to_contain_text("Our takings were back to normal")
    expect(below).to_contain_text("I did not call anyone names")
    heard = page.locator(".reports li")
    expect(heard).to_have_count(3)
    expect(heard.nth(0)).to_contain_text("He has been at her for days")
    expect(heard.nth(0)).to_contain_text("past reports upheld")
    expect(heard.nth(2)).to_contain_text("account 2 days old")
    expect(heard.nth(2)).to_contain_text("no record yet")
    lines = [float(text.replace("−", "-")) for text in page.locator(".sum tbody .number").all_inner_texts()]
    total = float(page.locator(".sum tfoot .number").inner_text().replace("−", "-"))
    assert math.isclose(sum(lines), total, abs_tol=1e-9)
    share = int(page.locator(".knowing .big").inner_text().rstrip("%"))
    assert abs(share - 100 * sigmoid(total)) <= 1
    insult = page.locator(".scores li", has_text="insult").first
    insult.locator("summary").click()
    expect(insult).to_contain_text(re.compile(r"Yes for about \d+ in 100 comments that score so"))
    worthy = page.locator(".scores li", has_text="report worthy")
    expect(
        worthy.get_by_text(re.compile(r"0\.5.*: rule 1 would hold it|Below 0\.5, from which on rule 1 would hold it"))
    ).to_be_visible()
    worthy.locator("summary").click()
    expect(worthy).to_contain_text("report_worthy at least 0.5: hold")
    expect(page.locator("[aria-labelledby=author] .counts")).to_contain_text("removed")
    alike = page.locator(".precedents li")
    expect(alike.filter(has_text="Shut your mouth")).to_contain_text("same author")
    expect(alike.filter(has_text="scores differ by").first).to_be_visible()
    assert {"liar", "fool"} <= set(page.locator("mark").all_inner_texts())
    expect(page.locator("article.comment")).to_contain_text("Marked for toxicity by the model itself")
    check(page)
    page.locator("details.choices summary").click()
    check(page)
    page.context.close()


def test_what_was_decided_on_the_same_words_is_shown(house: House, fresh: list[str]) -> None:
    client, text = house.client("moderator"), "Buy cheap watches at the corner of Mill Lane, ask for Bogdan."
    with house.store.writing() as session:
        site = sites.find(session, "bench")
        for name, words in ((f"{fresh[0]}-copy", text), (f"{fresh[0]}-again", f"{text} Today only!")):
            story = StoryPart(id=section_of(fresh))
            scores = Given("made", {"report_worthy": 0.9 if words == text else 0.1})
            comments.submit(session, site, name, Submission(text=words, story=story), scores, now())
            filing = Filing(reporter=ReporterPart(id=f"reader of {name}"), reason="spam")
            reports.file(session, "bench", name, filing, now(), believed=True)
    form = {"csrf": client.token(), "reason": "spam", "revision": "1"}
    assert client.post(f"/console/cases/{house.case(f'{fresh[0]}-copy')}/decide", form).status_code == 303
    page = client.get(f"/console/cases/{house.case(f'{fresh[0]}-again')}").text
    precedents = page.partition('class="precedents"')[2].partition("</ul>")[0]
    assert text in precedents and "removed: Spam or advertising" in precedents
    assert "much the same words: “watches”, “bogdan”, “corner”" in precedents


def test_the_words_behind_a_score_are_marked_on_request(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator", f"/console/cases/{house.case('c14')}")
    whole = page.locator("article.comment .text").inner_text()
    page.keyboard.press("w")
    page.wait_for_url("**explain=**")
    expect(page.locator("mark", has_text="moron")).to_be_visible()
    expect(page.locator("article.comment")).to_contain_text("by leaving out each word in turn")
    assert page.locator("article.comment .text").inner_text() == whole
    check(page)
    page.goto(f"/console/cases/{house.case('c14')}?explain=nonsense")
    expect(page.locator("article.comment")).to_contain_text("by the model itself")
    expect(page.locator("article.comment")).not_to_contain_text("by leaving out each word in turn")
    page.context.close()


TAGS = "<script>document.title='x'</script> You <b>moron</b>, \"idiot\" & <img src=x onerror=alert(1)> clown"
CALM = "Thank you, I had not thought of that."


@pytest.fixture(scope="module")
def marking_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own, whose model marks words, with three cases."""
    folder = tmp_path_factory.mktemp("marking-house")
    url = databases.fresh(folder)
    scores = {"report_worthy": 0.6, "insult": 0.7, "toxicity": 0.5}
    with running(folder / "log", database_url=url) as server:
        store = Store(url)
        make_accounts(store)
        with store.writing() as session:
            site = sites.put(session, "bench", "The Bench", None, "command")
            for name, text in {"rude": "🤡 He is a pathetic mo\u200bron.", "tags": TAGS, "calm": CALM}.items():
                submission = Submission(text=text, author=AuthorPart(id=name), story=StoryPart(id="s", title="A story"))
                comments.submit(session, site, name, submission, Given("made", scores), now())
                filing = Filing(reporter=ReporterPart(id=f"reader of {name}"), reason="abusive")
                reports.file(session, "bench", name, filing, now(), believed=True)
        yield House(server.url, store)
        store.close()


def test_a_model_that_marks_words_does_so_unasked(marking_house: House, chromium: Browser) -> None:
    path = f"/console/cases/{marking_house.case('rude')}"
    page = marking_house.page(chromium, "moderator", path)
    comment = page.locator("article.comment")
    assert page.locator("mark").all_inner_texts() == ["pathetic mo\u200bron"]
    expect(comment).to_contain_text("Marked for toxicity by the model itself, which learnt from people’s marks.")
    assert comment.locator(".text").inner_text() == "🤡 He is a pathetic mo\u200bron."
    check(page)
    page.keyboard.press("w")  # the words behind another score, the highest
    page.wait_for_url("**explain=insult**")
    expect(comment).to_contain_text("by leaving out each word in turn")
    expect(comment).not_to_contain_text("by the model itself")
    page.goto(f"{path}?explain=toxicity")
    expect(comment).to_contain_text("by the model itself")
    assert page.locator("mark").all_inner_texts() == ["pathetic mo\u200bron"]
    page.context.close()


def test_marked_text_is_text(marking_house: House, chromium: Browser) -> None:
    page = marking_house.page(chromium, "moderator", f"/console/cases/{marking_house.case('tags')}")
    text = page.locator("article.comment p.text")
    assert text.inner_text() == TAGS
    assert text.locator(":not(mark)").count() == 0
    assert "moron" in " ".join(text.locator("mark").all_inner_texts())
    page.context.close()


def test_where_the_model_marks_nothing_it_says_so_only_when_asked(marking_house: House) -> None:
    client = marking_house.client("moderator")
    path = f"/console/cases/{marking_house.case('calm')}"
    page = client.get(path).text
    assert "<mark>" not in page
    assert "the model itself" not in page
    assert "Mark the words behind “insult”" in page
    assert "The model itself marks no word for toxicity." in client.get(f"{path}?explain=toxicity").text


def test_a_notice_of_illegal_content_is_shown_in_full(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator", f"/console/cases/{house.case('c17')}")
    notice = page.locator(".facts")
    for words in ("our client took a bribe", "Defamation Act", "A. Lawyer", "office@law.example", "confirmed"):
        expect(notice).to_contain_text(words)
    page.context.close()


def test_strong_text_is_shown_when_asked_for(house: House, chromium: Browser) -> None:
    page = house.page(chromium, "moderator", f"/console/cases/{house.case('c8')}")
    text = page.locator("article.comment .text")
    page.mouse.move(0, 0)
    assert "blur" in text.evaluate("element => getComputedStyle(element).filter")
    page.keyboard.press("b")
    expect(text).to_have_css("filter", "none")
    page.context.close()


@given(
    st.text(max_size=40),
    st.lists(st.builds(Span, st.integers(-5, 50), st.integers(-5, 50)), max_size=6),
)
def test_pieces_make_up_the_text(text: str, spans: list[Span]) -> None:
    cut = list(pieces(text, spans))
    assert "".join(piece.text for piece in cut) == text
    marked = {at for span in spans for at in range(max(0, span.begin), min(span.end, len(text)))}
    place, found = 0, set()
    for piece in cut:
        assert piece.text
        if piece.marked:
            found |= set(range(place, place + len(piece.text)))
        place += len(piece.text)
    assert found == marked


def test_a_text_that_is_not_stored_is_not_shown(house: House, fresh: list[str]) -> None:
    with house.store.writing() as session:
        row = session.scalars(select(Comment).where(Comment.external_id == fresh[0])).one()
        row.do_not_store = True
        row.revisions[0].text = None
        for scores in session.scalars(select(RevisionScores).where(RevisionScores.revision_id == row.revisions[0].id)):
            scores.scores = {"report_worthy": 0.6}
    client = house.client("moderator")
    for path in (f"/console/cases/{house.case(fresh[0])}", f"/console/queue?section={section_of(fresh)}"):
        assert "Its site asked that no text be stored." in client.get(path).text
