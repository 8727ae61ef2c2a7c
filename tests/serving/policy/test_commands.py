from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from serving.cli import app
from serving.moderation import policies, sites
from serving.moderation.tables import Author, Comment, Revision, RevisionScores
from serving.store import Store

RUDE = "You absolute clown, nobody wants your lies here. Shut your stupid mouth, you pathetic idiot."
CALM = "The new timetable starts on Monday, and the number 9 now stops at the hospital."
HOLD = '[[rules]]\nattribute = "insult"\nat_least = 0.3\nauthor.comments.below = 5\naction = "hold"\n'


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)], env={"NO_COLOR": "1"})


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "draft.toml"
    path.write_text(HOLD)
    return path


@pytest.fixture
def database(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("EVENHAND_DATABASE_URL", store.engine.url.render_as_string(hide_password=False))
    with store.writing() as session:
        sites.put(session, "gazette", "The Gazette", None, "command")
    return store


def test_check_prints_the_rules_in_words(draft: Path) -> None:
    result = run("check", draft)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "  1. insult at least 0.3, comments by the author so far below 5: hold\n" in result.stdout


def test_check_refuses_a_bad_policy_in_one_line(draft: Path) -> None:
    draft.write_text(HOLD.replace("insult", "wit"))
    result = run("check", draft)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert f"{draft}: rule 1: attribute: there is no 'wit'" in result.stderr


def test_backtest_on_files_shows_what_would_change(draft: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "a", "text": RUDE, "author": {"comments": 2}, "verdict": "remove"},
        {"id": "b", "text": RUDE, "author": {"comments": 50}},
        {"id": "c", "text": CALM, "author": {"comments": 2}},
        {"id": "d", "text": " "},
    ]
    path = tmp_path / "comments.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    accepting = tmp_path / "old.toml"
    accepting.write_text("rules = []")
    result = run("backtest", draft, path, "--against", accepting, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["rows"], report["changed"]) == (3, 1)
    (example,) = report["examples"]
    assert (example["id"], example["new"], example["verdict"]) == ("a", "hold", "remove")
    assert "1 without a text" in result.stderr
    shown = run("backtest", draft, path, "--against", accepting).stdout
    assert "3 comments: 1 (33.3 %) would be treated otherwise" in shown
    assert "accept → hold: 1" in shown
    assert "You absolute clown" in shown


def test_facts_of_a_table_of_text(draft: Path, tmp_path: Path) -> None:
    path = tmp_path / "comments.csv"
    path.write_text(f'text,author.comments,section\n"{RUDE}",2,\n"{RUDE}",,politics\n')
    report = json.loads(run("backtest", draft, path, "--json").stdout)
    assert report["new"]["actions"]["hold"]["count"] == 1
    assert report["examples"][0]["id"].startswith("comments.csv:")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"author.comments": -2}, "row 1, column 'author.comments': expected a number, 0 or more"),
        ({"author": {"comments": "many"}}, "row 1, column 'author.comments': expected a number, 0 or more"),
        ({"story": {"premoderated": "maybe"}}, "row 1, column 'story.premoderated': expected true or false"),
        ({"verdict": "bin"}, "row 1, column 'verdict': expected keep, remove, feature"),
    ],
)
def test_a_bad_fact_is_named(draft: Path, tmp_path: Path, columns: dict[str, object], message: str) -> None:
    path = tmp_path / "comments.jsonl"
    path.write_text(json.dumps({"text": CALM} | columns))
    result = run("backtest", draft, path)
    assert result.exit_code == 2
    assert message in result.stderr
    assert CALM not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected comments to test it on"),
        (("-", "--site", "gazette"), "one of the two"),
        (("-", "--against", "live"), "--against live needs --site"),
        (("--site", "nowhere"), "there is no site 'nowhere'"),
    ],
)
def test_backtest_says_what_it_needs(draft: Path, database: Store, arguments: tuple[str, ...], message: str) -> None:
    result = run("backtest", draft, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_versions_are_kept_listed_and_changed(draft: Path, database: Store) -> None:
    assert "the default policy holds" in run("list", "gazette").stdout
    assert run("save", "gazette", draft, "--note", "newcomers").stdout == "version 1 of gazette: draft\n"
    assert run("set", "gazette", "1", "live").stdout == "version 1 of gazette: live\n"
    listed = run("list", "gazette").stdout
    assert "live" in listed
    assert "newcomers" in listed
    with database.session() as session:
        assert policies.live(session, "gazette").version == 1
    for arguments, message in (
        (("set", "gazette", "1", "draft"), "version 1 is live; from there it can become retired"),
        (("set", "gazette", "7", "live"), "has no version 7"),
        (("set", "gazette", "1", "on"), "state: expected one of"),
        (("list", "nowhere"), "there is no site"),
        (("save", "nowhere", str(draft)), "there is no site"),
    ):
        result = run(*arguments)
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_a_number_that_the_database_cannot_hold_is_refused(draft: Path, database: Store) -> None:
    for number in (2**31, 10**23):
        for arguments in (
            ("set", "gazette", number, "live"),
            ("backtest", draft, "--site", "gazette", "--limit", number),
        ):
            result = run(*map(str, arguments))
            assert (result.exit_code, result.stdout) == (2, "")
            assert "2147483647" in result.stderr


def test_backtest_on_a_sites_stored_comments(draft: Path, database: Store) -> None:
    with database.writing() as session:
        author = Author(site_id="gazette", external_id="ann")
        session.add(author)
        session.flush()
        for number in range(8):
            comment = Comment(site_id="gazette", external_id=f"c{number}", author_id=author.id)
            comment.revisions.append(Revision(number=1, text=RUDE))
            comment.revisions[0].scores.append(RevisionScores(model="evenhand 1", scores={"insult": 0.9}))
            session.add(comment)
            session.flush()
        policies.save(session, "gazette", "rules = []", actor="command")
        policies.change(session, "gazette", 1, "live", actor="command")
    report = json.loads(run("backtest", draft, "--site", "gazette", "--json").stdout)
    # The first five of a newcomer; the live version accepts all, the default would ask for scores that are not there.
    assert report["matrix"] == [
        {"old": "accept", "new": "accept", "count": 3},
        {"old": "accept", "new": "hold", "count": 5},
    ]
    default = run("backtest", draft, "--site", "gazette", "--against", "default", "--limit", "4", "--json")
    assert json.loads(default.stdout)["old"]["deferred"] == 4
