from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from labels.sources import SOURCES
from labels.sources.reader import read_file
from serving.learning import labels
from serving.moderation.tables import Appeal, Case, Policy, Report, Reporter
from serving.store import Feedback, Store, now
from tests.serving.learning import desk


def exported(store: Store, site: str | None = None) -> dict[str, dict[str, object]]:
    with store.session() as session:
        return {label.text: {**label.values, "from": label.provenance} for label in labels.export(session, site)}


def test_each_comment_has_the_label_of_its_last_decision_that_stands(store: Store) -> None:
    with store.writing() as session:
        for text, verdicts in {
            "kept": ["keep"], "removed": ["remove"], "featured": ["feature"],
            "kept, then removed": ["keep", "remove"], "escalated": ["escalate"], "nothing": [],
        }.items():  # fmt: skip
            written = desk.comment(session, text)
            for verdict in verdicts:
                desk.decision(session, written, verdict, "abusive" if verdict == "remove" else None)
        undone = desk.decision(session, desk.comment(session, "undone"), "remove", "abusive")
        undone.undone_at = now()
        twice = desk.comment(session, "kept, removed and undone")
        desk.decision(session, twice, "keep")
        desk.decision(session, twice, "remove", "abusive").undone_at = now()
    assert exported(store) == {
        "kept": {"decision": "accepted", "from": "live"},
        "removed": {"decision": "rejected", "from": "live"},
        "featured": {"decision": "accepted", "featured": True, "from": "live"},
        "kept, then removed": {"decision": "rejected", "from": "live"},
        "kept, removed and undone": {"decision": "accepted", "from": "live"},
    }


def test_a_removal_that_the_text_cannot_explain_teaches_nothing(store: Store) -> None:
    with store.writing() as session:
        for reason in ("spam", "off_topic", "threatening"):
            desk.decision(session, desk.comment(session, reason), "remove", reason)
    assert list(exported(store)) == ["threatening"]


def test_appeals_count_as_they_ended_and_more(store: Store) -> None:
    with store.writing() as session:
        for text, state in (("overturned", "overturned"), ("upheld", "upheld"), ("waiting", "open")):
            made = desk.decision(session, desk.comment(session, text), "remove", "abusive")
            decided = None if state == "open" else now()
            session.add(Appeal(site_id="demo", decision_id=made.id, state=state, decided_at=decided))
            if state == "overturned":
                made.overturned_at = decided
    assert exported(store) == {
        "overturned": {"decision": "accepted", "from": "appeal"},
        "upheld": {"decision": "rejected", "from": "appeal"},
        "waiting": {"decision": "rejected", "from": "live"},
    }
    with store.session() as session:
        weights = {label.text: label.weight for label in labels.export(session)}
    assert weights["overturned"] == weights["upheld"] > weights["waiting"]


def test_what_a_policy_decided_or_was_erased_or_is_of_another_site_is_left_out(store: Store) -> None:
    with store.writing() as session:
        by_policy = desk.comment(session, "by policy")
        policy = Policy(site_id="demo", version=1, source="")
        session.add(policy)
        session.flush()
        made = desk.decision(session, by_policy, "remove", "abusive")
        made.actor, made.policy_id = "policy", policy.id
        desk.decision(session, desk.comment(session, None), "remove", "abusive")
        desk.decision(session, desk.comment(session, "elsewhere", on="other"), "keep")
        desk.decision(session, desk.comment(session, "here"), "keep", bulk="b")
    assert exported(store, "demo") == {"here": {"decision": "accepted", "from": "bulk"}}


def test_feedback_is_a_share_and_corals_a_decision(store: Store) -> None:
    with store.writing() as session:
        for text, attribute, value, community, begin in (
            ("from Coral", "TOXICITY", 1.0, "Coral:https://news.example", None),
            ("from a client", "INSULT", 0.4, None, None),
            ("of a span", "INSULT", 0.4, None, 3),
            ("of nothing that is scored", "UNHEARD_OF", 1.0, None, None),
        ):
            session.add(
                Feedback(text=text, attribute=attribute, value=value, community_id=community, begin=begin, languages=[])
            )
    assert exported(store) == {
        "from Coral": {"decision": "rejected", "from": "feedback"},
        "from a client": {"insult": 0.4, "from": "feedback"},
    }
    assert exported(store, "demo") == {}


def test_the_command_writes_what_training_reads(store: Store, tmp_path: Path) -> None:
    with store.writing() as session:
        desk.decision(session, desk.comment(session, "“Anyone who\ncycles” 🙂", story="s1"), "remove", "hateful")
        desk.decision(session, desk.comment(session, "Fine.", story="s1"), "feature", bulk="b")
        desk.decision(session, desk.comment(session, "Old."), "keep", at=now() - timedelta(days=3))
    file = tmp_path / "labels.jsonl"
    environment = os.environ | {
        "EVENHAND_DATABASE_URL": store.engine.url.render_as_string(hide_password=False),
    }
    since = (now() - timedelta(days=1)).strftime("%Y-%m-%d")
    command = [sys.executable, "-c", "from serving.cli import app; app()", "labels", "export", str(file)]
    run = subprocess.run([*command, "--since", since], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "2 labelled comments" in run.stdout and "1 bulk, 1 live" in run.stdout
    rows = list(read_file(SOURCES["publisher"], file))
    assert [(row.text, dict(row.labels), row.weight) for row in rows] == [
        ("“Anyone who\ncycles” 🙂", {"report_worthy": 1.0}, 1.0),
        ("Fine.", {"report_worthy": 0.0, "constructive": 1.0}, 0.5),
    ]
    assert rows[0].group == rows[1].group is not None
    assert all("a1" not in line for line in map(json.dumps, file.read_text().splitlines()))
    refused = subprocess.run([*command, "--site", "nowhere"], env=environment, capture_output=True, text=True)
    assert refused.returncode == 2 and "nowhere" in refused.stderr
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "site", "complaint"),
    [
        ("labels.jsonl", ["--site", "nowhere"], "there is no site 'nowhere'"),
        ("labels.csv", [], "labels.csv: expected a name that ends in .jsonl"),
        ("labels", [], "labels: expected a name that ends in .jsonl"),
        ("folder.jsonl", [], "folder.jsonl: exists and is no ordinary file"),
        ("nowhere/labels.jsonl", [], "labels.jsonl: there is no directory "),
    ],
)
def test_what_cannot_be_exported_leaves_nothing_behind(
    store: Store, tmp_path: Path, name: str, site: list[str], complaint: str
) -> None:
    here = tmp_path / "here"
    (here / "folder.jsonl").mkdir(parents=True)
    url = store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", "from serving.cli import app; app()", "labels", "export", str(here / name), *site]
    refused = subprocess.run(
        command, env=os.environ | {"EVENHAND_DATABASE_URL": url}, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert complaint in refused.stderr and len(refused.stderr.splitlines()) == 1
    assert [path.name for path in here.rglob("*")] == ["folder.jsonl"]


def evenhand(store: Store, *arguments: str) -> str:
    """What a command on the store's database prints."""
    url = store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", "from serving.cli import app; app()", *arguments]
    environment = os.environ | {"EVENHAND_DATABASE_URL": url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=180).stdout


def test_an_erased_author_leaves_no_label_and_an_erased_reporter_no_trace(store: Store, tmp_path: Path) -> None:
    """From the command that erases to the file that is trained on."""
    with store.writing() as session:
        theirs, other = "What she wrote.", "What another one wrote."
        mine = desk.comment(session, theirs, author="gone")
        desk.decision(session, mine, "remove", "abusive")
        reported = desk.comment(session, other, author="stays")
        reader = Reporter(site_id="demo", external_id="gone")
        case = Case(site_id="demo", comment_id=reported.id, origin="report", closed_at=now())
        session.add_all([reader, case])
        session.flush()
        session.add(Report(case=case, comment_id=reported.id, revision=1, reporter=reader, reason="abusive",
                           details="I am her sister.", upheld=True))  # fmt: skip
        desk.decision(session, reported, "remove", "abusive").case_id = case.id
        for text, comment in (
            (theirs, None),
            ("The same, as another system cut it.", mine.external_id),
            ("Else.", None),
        ):
            session.add(Feedback(text=text, attribute="INSULT", value=1.0, comment_id=comment, languages=[]))
    file = tmp_path / "labels.jsonl"
    evenhand(store, "labels", "export", str(file))
    assert file.read_text().count(theirs) == 2
    evenhand(store, "privacy", "erase", "demo", "--author", "gone", "--reporter", "gone")
    evenhand(store, "labels", "export", str(file))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["text"], row["provenance"]) for row in rows] == [(other, "live"), ("Else.", "feedback")]
    assert "sister" not in file.read_text() and "gone" not in file.read_text()


@pytest.mark.parametrize("weight", ["heavy", "-1", "101"])
def test_a_bad_weight_is_refused(tmp_path: Path, weight: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(f"text,decision,weight\nFine.,accepted,{weight}\n")
    with pytest.raises(ValueError, match="weight"):
        list(read_file(SOURCES["publisher"], file))
