"""The newspaper by itself: its file, its webhooks, its pages; tests/serving/test_loop.py has it with evenhand."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import func, select

from labels import taxonomy
from serving import policy
from serving.moderation.reasons import REASONS
from serving.moderation.sending import sign
from serving.moderation.tables import Hook, Moderator, Policy, Site
from serving.reader.demo import prepare
from serving.reader.demo.board import Board, Comment, seeds, story
from serving.reader.demo.client import TOLERANCE, Evenhand, signed
from serving.reader.demo.newspaper import GUEST, Newspaper, RuleError
from serving.reader.demo.pages import render
from serving.settings import Settings
from serving.store import Store
from tests import databases
from tests.coroutines import finish
from tests.service import Server, running
from tests.serving.console.browsing import check

SECRET = "whsec_for-this-test"
XSS = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">{{ 1234 * 5678 }}"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board.open(tmp_path / "demo.json")


@pytest.fixture
def newspaper(board: Board) -> Newspaper:
    """One that nobody answers."""
    return Newspaper(board, Evenhand("http://127.0.0.1:9", "demo"), "http://127.0.0.1:9/demo", SECRET)


def told(event: str, state: str, sequence: int, *, comment: str = "c04", **more: Any) -> dict[str, Any]:
    about = {"id": comment, "state": state, "featured": False, "revision": 1}
    return {"id": f"d{sequence}", "event": event, "site": "demo", "sequence": sequence, "comment": about} | more


def deliver(newspaper: Newspaper, event: dict[str, Any], secret: str = SECRET) -> bool:
    body = json.dumps(event).encode()
    return newspaper.receive(sign(secret, int(time.time()), body), body, event)


REMOVAL: dict[str, Any] = {"decision": {"id": "dec1", "action": "remove", "reason": "abusive"}}


def test_what_a_newspaper_knows_outlives_it_and_is_its_own(board: Board) -> None:
    first = replace(board.comments["c01"], state="held")
    board.put(first)
    secret = board.secret("password")
    again = Board.open(board.path)
    assert again == board
    assert again.secret("password") == secret
    assert len(secret) >= 16
    assert stat.S_IMODE(board.path.stat().st_mode) == 0o600


def test_the_comments_answer_what_is_there_and_the_newspaper_has_words_for_each_reason() -> None:
    found = seeds(datetime.now(UTC))
    ids = {comment.id for comment in found}
    assert len(found) == len(ids) == 12
    assert {comment.parent for comment in found} - {None} <= ids
    assert set(story().reasons) == set(REASONS) - {"other"}


def test_the_policy_is_one() -> None:
    rules = policy.parse(prepare.POLICY.read_text(encoding="utf-8"), taxonomy.load().names).rules
    assert [rule.action for rule in rules] == ["hold", "hold", "flag"]


@pytest.mark.parametrize(
    "signature",
    ["", "v1=", "t=abc,v1=00", "t=1,v1=00", "t={now}", "t={now},v1=00", "t=²,v1=00"],
)
def test_a_webhook_that_is_not_signed_changes_nothing(newspaper: Newspaper, signature: str) -> None:
    body = json.dumps(told("comment.removed", "rejected", 1, **REMOVAL)).encode()
    assert not newspaper.receive(signature.format(now=int(time.time())), body, json.loads(body))
    assert newspaper.board.comments["c04"].state == "published"


def test_a_signature_is_of_one_secret_one_body_and_a_few_minutes() -> None:
    now, body = int(time.time()), b'{"event":"comment.removed"}'
    assert signed(SECRET, sign(SECRET, now, body), body)
    assert not signed(SECRET, sign("another", now, body), body)
    assert not signed(SECRET, sign(SECRET, now, body), body + b" ")
    assert signed(SECRET, sign(SECRET, now - TOLERANCE + 5, body), body)
    assert not signed(SECRET, sign(SECRET, now - TOLERANCE - 5, body), body)
    assert not signed(SECRET, sign(SECRET, now + TOLERANCE + 5, body), body)


def test_events_count_in_their_order_whatever_order_they_come_in(newspaper: Newspaper) -> None:
    assert deliver(newspaper, told("comment.restored", "published", 7))
    assert deliver(newspaper, told("comment.removed", "rejected", 5, **REMOVAL))  # delayed, or sent once more
    assert newspaper.board.comments["c04"].state == "published"
    assert newspaper.board.changes == 0  # nothing to see: open pages stay as they are
    assert deliver(newspaper, told("comment.removed", "rejected", 9, **REMOVAL))
    assert newspaper.board.changes == newspaper.board.comments["c04"].change == 1
    found = newspaper.board.comments["c04"]
    assert (found.state, found.decision, found.reason) == ("rejected", "dec1", "it insults or harasses somebody")


def test_events_of_what_is_not_its_own_are_taken_and_do_nothing(newspaper: Newspaper) -> None:
    before = dict(newspaper.board.comments)
    assert deliver(newspaper, told("comment.removed", "rejected", 1, comment="imported", **REMOVAL))
    assert deliver(newspaper, {"id": "x", "event": "case.opened", "site": "demo", "sequence": 2})
    assert newspaper.board.comments == before


def test_only_its_author_can_appeal_and_only_when_it_is_removed(newspaper: Newspaper) -> None:
    author, other = (newspaper.reader(one.id) for one in newspaper.readers() if one.name in ("bluntspeaker", GUEST))
    author, other = (author, other) if author.name == "bluntspeaker" else (other, author)
    for reader in (author, other):
        with pytest.raises(RuleError, match="no removed comment of yours"):
            finish(newspaper.appeal(reader, "c04", "Please."))
    deliver(newspaper, told("comment.removed", "rejected", 1, **REMOVAL))
    with pytest.raises(RuleError, match="no removed comment of yours"):
        finish(newspaper.statement(other, "c04"))
    with pytest.raises(RuleError, match="no statement"):  # his, but evenhand does not answer
        finish(newspaper.statement(author, "c04"))


@pytest.mark.parametrize(
    ("text", "rule"), [("  \n ", "between 1 and"), ("x" * 5001, "between 1 and"), ("Hello.", "in a minute")]
)
def test_what_cannot_be_posted_is_said_in_words(newspaper: Newspaper, text: str, rule: str) -> None:
    with pytest.raises(RuleError, match=rule):
        finish(newspaper.say(newspaper.reader(None), "0" * 16, text, again=False))
    assert len(newspaper.board.comments) == 12


def test_a_reader_is_known_by_what_nobody_can_guess(newspaper: Newspaper, tmp_path: Path) -> None:
    other = Newspaper(Board.open(tmp_path / "other.json"), newspaper.evenhand, "", SECRET)
    ids = {reader.id for reader in newspaper.readers()} | {reader.id for reader in other.readers()}
    assert len(ids) == 2 * len(newspaper.readers())
    assert newspaper.reader("made-up").name == GUEST


@pytest.mark.parametrize("mode", ["local", "keys"])
def test_it_is_prepared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    url = databases.fresh(tmp_path)
    monkeypatch.chdir(tmp_path)  # where its file lies if not beside a SQLite database
    settings = Settings(mode=mode, database_url=url, port=8123)
    first = prepare.prepare(settings)
    second = prepare.prepare(Settings(mode=mode, database_url=url, port=8124))
    assert second.board == first.board
    assert (second.hook_secret, second.reports_key, second.evenhand.key) == (
        first.hook_secret,
        first.reports_key,
        first.evenhand.key,
    )
    assert (first.reports_key is None) == (mode == "local")
    assert first.board.secrets["password"] in prepare.greeting(settings, second)
    store = Store(url)
    with store.session() as session:
        counts = [session.scalar(select(func.count()).select_from(kind)) for kind in (Site, Hook, Policy, Moderator)]
        assert counts == [1, 1, 1, 2]
        assert session.scalars(select(Hook.url)).one() == "http://127.0.0.1:8124/demo/hook"
        roles = {row.name: row.role for row in session.scalars(select(Moderator))}
        assert roles == {"demo": "moderator", "demo-editor": "admin" if mode == "local" else "editor"}
        for sites in session.scalars(select(Moderator.sites)):
            assert sites == ([] if mode == "local" else ["demo"])
    store.close()


def test_it_is_there_only_when_asked_for(server: Server) -> None:
    for path in ("/demo", "/demo/changes", "/demo/static/paper.css"):
        assert httpx.get(f"{server.url}{path}").status_code == 404
    assert httpx.post(f"{server.url}/demo/hook", content=b"{}").status_code == 404


def test_its_pages(tmp_path: Path, chromium: Browser) -> None:
    with running(tmp_path / "log", "--demo") as server, chromium.new_context() as browser:
        home = f"{server.url}/demo"
        # From elsewhere: a name that leads here, a form on another site, a webhook of somebody.
        assert httpx.get(home, headers={"Host": "rebound.example"}).status_code == 403
        form = {"id": "0" * 16, "text": "Hello."}
        foreign = httpx.post(f"{home}/comments", data=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        assert httpx.post(f"{home}/comments", data=form | {"id": "../c01"}).status_code == 422
        assert httpx.post(f"{home}/hook", content=b"{}").status_code == 401
        assert httpx.post(f"{home}/hook", content=b"no json").status_code == 401
        assert httpx.get(f"{home}/comments/c04/statement").status_code == 404
        assert httpx.get(f"{home}/static/..%2Fpages.py").status_code == 404

        # What people write is text, in a strict page.
        page = browser.new_page()
        page.goto(home)
        page.get_by_role("button", name="Unsuitable or offensive?").first.wait_for()
        check(page)
        page.get_by_label("Your comment, as").fill("Only an idiot could write this.")
        page.get_by_role("button", name="Post comment").click()
        page.get_by_role("alert").wait_for()
        check(page)
        page.get_by_role("button", name="Unsuitable or offensive?").last.click()
        page.get_by_label("It is illegal").check()
        page.get_by_role("button", name="Send report").click()
        check(page)
        page.keyboard.press("Escape")
        page.get_by_label("Your comment, as").fill(XSS)
        page.get_by_role("button", name="Post").click()
        page.get_by_text(XSS).wait_for()
        assert "Courier" in page.title()
        policy = page.request.get(home).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert page.locator("article img[src=x]").count() == 0


def test_an_author_with_a_nasty_name_is_only_an_author(newspaper: Newspaper) -> None:
    newspaper.board.put(Comment(id="x1", author=XSS, text=XSS, posted_at=datetime.now(UTC)))
    html = render(newspaper, newspaper.reader(None))
    assert "<script>document" not in html
    assert "<img src=x" not in html
    assert "7006652" not in html.split('id="x1"')[1].split("</li>")[0]
