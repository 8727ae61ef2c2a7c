from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from serving.moderation import decisions, sites
from serving.moderation.decisions import By
from serving.moderation.tables import Author, Case, Comment, Decision, Delivery, Hook, Site, Story
from serving.pages import Page, PageComment, parse_page
from serving.reader import importing
from serving.reader.importing import ImportingError, Incoming
from serving.records import read_records
from serving.store import Store
from tests import databases

PAGE = Path(__file__).parents[3] / "docs/examples/page.txt"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return databases.fresh(tmp_path)


def run(url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`evenhand import …` on a database, as a person calls it."""
    command = [sys.executable, "-c", "from serving.cli import app; app()", "import", *map(str, arguments)]
    environment = os.environ | {"EVENHAND_DATABASE_URL": url, "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def held(url: str) -> dict[str, int]:
    store = Store(url)
    with store.session() as session:
        kinds = (Comment, Story, Author, Decision, Case)
        found = {kind.__tablename__: session.scalar(select(func.count()).select_from(kind)) or 0 for kind in kinds}
    store.close()
    return found


def test_a_page_becomes_a_story_with_comments_to_moderate(url: str) -> None:
    done = run(url, PAGE, "--site", "gazette", "--section", "council", "--name", "The Gazette", "--review", "2")
    assert done.returncode == 0, done.stderr
    assert "6 comments new on gazette, 0 known already. Into the queue: 1 by the policy, 1 as asked." in done.stdout
    assert "Maureen Tate" in done.stdout
    store = Store(url)
    with store.session() as session:
        [story] = session.scalars(select(Story))
        assert (story.title, story.section) == ("Council votes to close the High Street to cars", "council")
        assert story.text and "High Street" in story.text
        rows = session.scalars(select(Comment).order_by(Comment.posted_at)).all()
        assert [row.author.name if row.author else None for row in rows][:3] == ["Maureen Tate", None, "Anonymous"]
        for row in rows:
            [revision] = row.revisions
            assert len(revision.scores[0].scores) >= 19
            assert row.state == "published"
        cases = session.scalars(select(Case)).all()
        assert {case.origin for case in cases} == {"moderator", "policy"}
        rudest = session.get_one(Comment, max(cases, key=lambda case: case.log_odds).comment_id)
        assert "greedy old cow" in (rudest.revisions[0].text or "")
    store.close()


def test_the_same_page_again_changes_nothing(url: str, tmp_path: Path) -> None:
    assert run(url, PAGE, "--site", "s", "--name", "S", "--review", "2").returncode == 0
    before = held(url)
    again = run(url, PAGE, "--site", "s", "--name", "Another name", "--review", "2")
    assert "0 comments new on s, 6 known already." in again.stdout
    assert held(url) == before
    # Saved a day later: one comment more, and it is the only one that comes.
    later = PAGE.read_text(encoding="utf-8").replace(
        "View results", "  • One more, saying so.\n\n    Unsuitable or offensive? Report this comment\n\nView results"
    )
    (tmp_path / "later.txt").write_text(later, encoding="utf-8")
    assert "1 comment new on s, 6 known already." in run(url, tmp_path / "later.txt", "--site", "s").stdout
    assert held(url) == before | {"comments": 7, "decisions": 7}
    store = Store(url)
    with store.session() as session:
        assert session.get_one(Site, "s").name == "S"
    store.close()


def test_nobody_is_told_of_what_is_imported_before_a_moderator_decides(url: str) -> None:
    store = Store(url)
    store.open()
    with store.writing() as session:
        sites.put(session, "s", "S", None, "command")
        session.add(Hook(site_id="s", url="https://news.example/hook", secret="s", events=[]))
    assert run(url, PAGE, "--site", "s", "--review", "1").returncode == 0
    with store.writing() as session:
        assert session.scalars(select(Delivery)).all() == []
        decisions.decide(session, session.scalars(select(Case)).one(), "remove", By("key"), reason="abusive")
        assert [one.event for one in session.scalars(select(Delivery))] == ["comment.removed"]
    store.close()


def test_a_site_is_not_made_by_a_slip_of_the_pen(url: str) -> None:
    done = run(url, PAGE, "--site", "gazzette")
    assert done.returncode == 2
    assert "there is no site 'gazzette'" in done.stderr
    assert held(url)["comments"] == 0


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (["nope.txt"], "nope.txt: No such file or directory"),
        (["other.csv"], "other.csv, column 'text': no such column"),
        (["long.txt"], "long.txt: comment 1: text: "),
        ([PAGE, "--model", "nowhere"], "no model in nowhere"),
    ],
)
def test_nothing_is_written_if_anything_named_cannot_be_read(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: list[object], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.csv").write_text("body\nHello.\n", encoding="utf-8")
    long = PAGE.read_text(encoding="utf-8").replace("greedy old cow", "greedy old cow " * 2000)
    Path("long.txt").write_text(long, encoding="utf-8")
    done = run(url, PAGE, *second, "--site", "ghost", "--name", "Ghost")
    assert done.returncode == 2
    assert complaint.removeprefix("long.txt: comment 1: ") in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert held(url)["comments"] == 0
    store = Store(url)
    with store.session() as session:
        assert session.scalars(select(Site)).all() == []
    store.close()


def test_records_bring_what_they_say_of_themselves(url: str, tmp_path: Path) -> None:
    rows = [
        {
            "id": "a",
            "text": "First.",
            "author": "Jo",
            "story": "st1",
            "title": "A road",
            "posted_at": "2026-01-02T03:04Z",
        },
        {
            "id": "b",
            "text": "Second.",
            "author": "Jo",
            "author_id": "jo-2",
            "parent": "a",
            "story": "st1",
            "section": "x",
        },
        {"id": "c", "text": "  "},
        {"text": "Third, without an id."},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for new, known in ((3, 0), (0, 3)):
        done = run(url, file, "--site", "s", "--name", "S", "--section", "local")
        assert done.returncode == 0, done.stderr
        assert f"{new} comments new on s, {known} known already." in done.stdout
    store = Store(url)
    with store.session() as session:
        first, second, third = session.scalars(select(Comment).order_by(Comment.id))
        assert (first.external_id, second.external_id, len(third.external_id)) == ("a", "b", 20)
        assert first.posted_at.isoformat() == "2026-01-02T03:04:00+00:00"
        assert second.parent_external_id == "a"
        assert first.author and second.author and first.author_id != second.author_id
        assert second.author.external_id == "jo-2"
        assert first.story and first.story.title == "A road"
    store.close()


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"text": "x" * 30_000}, "comment 1: text: "),
        ({"text": "One.", "posted_at": "yesterday"}, "comment 1: posted_at: expected a time"),
        ({"text": "One.", "url": "javascript:alert(1)"}, "comment 1: story.url: "),
    ],
)
def test_a_bad_record_is_named_and_not_quoted(url: str, tmp_path: Path, row: dict[str, str], rule: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row), encoding="utf-8")
    done = run(url, file, "--site", "s", "--name", "S")
    assert done.returncode == 2
    assert rule in done.stderr
    assert "xxxx" not in done.stderr
    assert held(url)["comments"] == 0


def test_text_on_a_terminal_steers_nothing(url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"text": "\x1b[2J[red]Red?", "author": "\x1b]0;x\x07Jo"}), encoding="utf-8")
    done = run(url, file, "--site", "s", "--name", "S")
    assert "[red]Red?" in done.stdout
    assert "\x1b" not in done.stdout


def ids(page: Page) -> list[str]:
    return [one.id for one in importing.of_page(page, "page.txt")]


def test_ids_do_not_hang_on_places() -> None:
    page = parse_page(PAGE.read_text(encoding="utf-8"))
    backwards = Page(page.title, page.article, page.comments[::-1], page.announced)
    assert ids(page) == ids(backwards)[::-1]
    assert len(set(ids(page))) == len(page.comments)


COMMENT = st.builds(PageComment, st.none() | st.text(max_size=20), st.text(max_size=20).filter(str.strip))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.lists(COMMENT, max_size=8))
def test_any_page_gives_each_comment_an_id_of_its_own_or_says_why_not(title: str, comments: list[PageComment]) -> None:
    page = Page(title, "", tuple(comments), None)
    try:
        found: list[Incoming] = importing.of_page(page, "page.txt")
    except ImportingError as error:
        assert "page.txt: comment " in str(error)
        return
    assert len({one.id for one in found}) == len(comments)
    assert [one.id for one in found] == ids(page)


def test_lines_are_comments_too(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("One.\n\nTwo.\n", encoding="utf-8")
    found = list(importing.of_records(read_records(file), "news"))
    assert [one.submission.text for one in found] == ["One.", "Two."]
    assert [one.submission.in_section for one in found] == ["news", "news"]
