from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import func, select

from serving.moderation import audit, comments, decisions, policies, reports, sites
from serving.moderation.comments import Given
from serving.moderation.decisions import By
from serving.moderation.reports import Filing
from serving.moderation.submissions import Submission
from serving.moderation.tables import (
    AuditEntry,
    Author,
    Case,
    Comment,
    Decision,
    Delivery,
    Hook,
    Revision,
    RevisionScores,
)
from serving.store import Feedback, Store, now
from tests import databases
from tests.service import running
from tests.serving.moderation.calls import call
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.world import World

MILD, BAD = 0.1, 0.9
RUDE = "You are a fucking retarded piece of shit"


def sent(world: World, text: str = "one", score: float | None = MILD, comment: str = "c1", **more: Any) -> Decision:
    """The decision on a submission."""
    with world.store.writing() as session:
        scores = None if score is None else Given("model 1", {"report_worthy": score})
        submission = Submission(text=text, **more)
        return comments.submit(session, world.site_row(session), comment, submission, scores, now()).decision


def rows(world: World, kind: type[Any]) -> int:
    with world.store.session() as session:
        return session.scalar(select(func.count()).select_from(kind)) or 0


def state(world: World, comment: str = "c1") -> tuple[str, bool, int]:
    with world.store.session() as session:
        row = world.row(session, comment)
        return row.state, row.featured, row.revision


def test_the_same_text_again_changes_nothing(world: World) -> None:
    first = sent(world, score=BAD)
    again = sent(world, score=MILD)  # the policy would decide otherwise now: it is not asked
    assert again.id == first.id
    assert [rows(world, kind) for kind in (Comment, Revision, RevisionScores, Decision, Case)] == [1, 1, 1, 1, 1]


def test_a_changed_text_is_a_new_revision_with_scores_and_a_decision_of_its_own(world: World) -> None:
    sent(world, "bad", BAD)
    assert state(world) == ("held", False, 1)
    sent(world, "good", MILD)
    assert state(world) == ("published", False, 2)
    with world.store.session() as session:
        assert session.scalars(select(Case)).one().closed_at is not None  # nobody need look at what is gone
    assert rows(world, RevisionScores) == 2


def test_what_is_said_about_a_comment_is_brought_up_to_date_without_a_decision(world: World) -> None:
    sent(world, story={"id": "s9", "title": "Old"}, author={"id": "a"})
    sent(world, story={"id": "s9", "title": "New", "section": "local"}, author={"id": "a", "name": "Ann"})
    with world.store.session() as session:
        row = world.row(session, "c1")
        assert row.story and (row.story.title, row.story.section) == ("New", "local")
        assert row.author and row.author.name == "Ann"
    assert rows(world, Decision) == 1


def test_two_equal_comments_at_the_same_moment_make_one(world: World) -> None:
    together = Barrier(8)

    def send(number: int) -> str:
        together.wait()
        return sent(world, score=BAD, story={"id": "same"}, author={"id": "same"}).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert [rows(world, kind) for kind in (Comment, Revision, Decision, Case, Author)] == [1, 1, 1, 1, 1]
    with world.store.session() as session:
        assert list(audit.verify(session)) == []


def test_without_scores_a_comment_is_held_and_decided_once_it_has_some(world: World) -> None:
    held = sent(world, score=None)
    assert (held.action, held.rule and held.rule["why"]) == ("hold", "missing_score")
    assert state(world) == ("held", False, 1) and rows(world, Case) == 1
    assert sent(world, score=None).id == held.id
    assert sent(world, score=MILD).action == "accept"
    assert state(world) == ("published", False, 1)
    with world.store.session() as session:
        assert session.scalars(select(Case)).one().closed_at is not None


def test_scores_that_come_late_do_not_undo_a_persons_decision(world: World) -> None:
    sent(world, score=None)
    with world.store.writing() as session:
        case = session.scalars(select(Case)).one()
        decisions.decide(session, case, "keep", By("key"))
    assert sent(world, score=BAD).action == "keep"
    assert state(world) == ("published", False, 1)


def test_a_removed_comment_does_not_come_back_by_a_new_wording(world: World) -> None:
    sent(world, "bad", BAD)
    with world.store.writing() as session:
        decisions.decide(session, session.scalars(select(Case)).one(), "remove", By("key"), reason="abusive")
    again = sent(world, "bad!", MILD)
    assert (again.action, again.rule and again.rule["why"]) == ("hold", "removed_before")
    assert state(world) == ("held", False, 2)


def test_praise_was_for_the_text_that_it_stood_under(world: World) -> None:
    sent(world)
    with world.store.writing() as session:
        decisions.decide_comment(session, world.row(session, "c1"), "feature", By("key"))
    assert state(world) == ("published", True, 1)
    sent(world, "two")
    assert state(world) == ("published", False, 2)


@pytest.mark.parametrize(
    ("action", "left", "cases"),
    [
        ("accept", ("published", False, 1), 0),
        ("flag", ("published", False, 1), 1),
        ("hold", ("held", False, 1), 1),
        ("reject", ("rejected", False, 1), 0),
        ("feature", ("published", True, 1), 0),
    ],
)
def test_the_sites_live_policy_decides(world: World, action: str, left: tuple[str, bool, int], cases: int) -> None:
    source = (
        f'allow_machine_removal = true\n[[rules]]\nsection = "local"\naction = "{action}"\nreason = "As we said."\n'
    )
    with world.store.writing() as session:
        version = policies.save(session, world.site, source, actor="command")
        policies.change(session, world.site, version.version, "live", actor="command")
        session.add(Hook(site_id=world.site, url="https://news.example/", secret="s", events=[]))
    decision = sent(world, section="local", story={"id": "s5"})
    assert state(world) == left
    assert (decision.action, decision.policy_id, rows(world, Case)) == (action, version.id, cases)
    with world.store.session() as session:
        told = set(session.scalars(select(Delivery.event)))
        logged = [entry.action for entry in session.scalars(select(AuditEntry)) if "decision" in entry.action]
    assert (
        told
        == {
            "accept": {"comment.published"},
            "flag": {"comment.published", "case.opened"},
            "hold": {"comment.held", "case.opened"},
            "reject": {"comment.removed"},
            "feature": {"comment.published", "comment.featured"},
        }[action]
    )
    assert logged == ([] if action == "accept" else ["decision.made"])


def test_the_policy_knows_the_authors_record_and_the_story(world: World) -> None:
    author = {"id": "a", "role": "subscriber", "account_created_at": "2020-01-01T00:00:00+02:00"}
    for number in range(3):
        sent(world, f"text {number}", comment=f"b{number}", author=author, story={"id": "s2"})
    with world.store.writing() as session:
        decisions.decide_comment(session, world.row(session, "b0"), "remove", By("key"), reason="spam")
    found = sent(world, "www.example.org", author=author, story={"id": "s2", "premoderated": True})
    facts = (found.rule or {})["facts"]
    assert facts.pop("author.account_days") > 2000
    assert facts == {
        "author.comments": 3,
        "author.rejected": 1,
        "author.role": "subscriber",
        "story.comments": 3,
        "story.premoderated": True,
        "links": 1,
    }


def test_a_taken_back_comment_leaves_no_text_and_no_case(world: World) -> None:
    sent(world, "shameful secret", BAD)
    with world.store.writing() as session:
        comments.delete(session, world.site_row(session), world.row(session, "c1"), "local", now())
    with world.store.session() as session:
        assert [row.text for row in session.scalars(select(Revision))] == [None]
        assert session.scalars(select(Case)).one().closed_at is not None
        report = Filing.model_validate({"reporter": {"id": "r"}, "reason": "spam"})
    with world.store.writing() as session:
        assert reports.file(session, world.site, "c1", report, now(), believed=True).state == "removed"
    sent(world, "shameful secret", MILD)
    assert state(world) == ("published", False, 2)


def test_times_keep_their_moment_whatever_their_zone(world: World) -> None:
    sent(world, posted_at="2026-02-03T04:05:06+09:00")
    with world.store.session() as session:
        assert world.row(session, "c1").posted_at == datetime(2026, 2, 2, 19, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": " \u200b"}, "text"),
        ({"text": "x" * 20_481}, "text"),
        ({"text": "x", "txet": "y"}, "txet"),
        ({"text": "x", "posted_at": "2026-01-01T00:00:00"}, "posted_at"),
        ({"text": "x", "posted_at": "0001-01-01T00:00:00+14:00"}, "posted_at"),
        ({"text": "x", "author": {}}, "author.id"),
        ({"text": "x", "story": {"id": "s", "url": "javascript:alert(1)"}}, "story.url"),
    ],
)
def test_a_bad_body_names_its_field(served: Service, body: dict[str, Any], field: str) -> None:
    world = served.world()
    error = served.call("PUT", f"/v1/sites/{world.site}/comments/c1", body, 422)
    assert (error["code"], error["field"]) == ("invalid_request", field)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["text", "author", "story", "id", "posted_at", "section", "nudge", "parent"]), x
)))  # fmt: skip
def test_a_submission_is_read_or_refused(body: Any) -> None:
    try:
        found = Submission.model_validate(body)
    except ValidationError:
        return
    assert found.text


def test_scores_and_decision_come_over_http_and_markup_stays_as_it_is(served: Service) -> None:
    world, text = served.world(), "<script>alert('&amp;')</script>\u2028 \"quoted\" \\ ${7*7}"
    path = f"/v1/sites/{world.site}/comments/%3Cb%3E"
    found = served.call("PUT", path, {"text": text, "author": {"id": "<i>", "name": "<img src=x>"}})
    assert (found["id"], found["state"], found["revision"]) == ("<b>", "published", 1)
    assert 0 < found["scores"]["report_worthy"] < 1 and found["model"].startswith("evenhand-")
    assert (found["decision"]["action"], found["decision"]["by"]) == ("accept", "policy")
    assert served.call("GET", path) == found == served.call("PUT", path, {"text": text})
    with world.store.session() as session:
        assert world.row(session, "<b>").revisions[0].text == text
    gone = served.call("DELETE", path)
    assert gone["state"] == "deleted"
    assert served.call("GET", f"/v1/sites/{world.site}/comments/none", status=404)["code"] == "unknown_comment"
    assert served.call("GET", "/v1/sites/none/comments/c1", status=404)["code"] == "unknown_site"


def test_an_author_is_nudged_once_and_nothing_is_stored(served: Service) -> None:
    world = served.world()
    path, body = f"/v1/sites/{world.site}/comments/c1", {"text": RUDE, "nudge": True}
    found = served.call("PUT", path, body)
    assert (found["state"], found["decision"]["action"], found["revision"]) == ("not_stored", "nudge", 0)
    assert "change it" in found["decision"]["words"] and found["decision"]["reasons"][0]["action"] == "hold"
    assert served.call("GET", path, status=404)["code"] == "unknown_comment"
    assert served.call("PUT", path, {"text": RUDE})["state"] == "held"
    assert served.call("PUT", f"{path}2", {"text": "A fair point, thank you.", "nudge": True})["state"] == "published"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I think that they should have asked us before they closed the road.", "en"),
        ("Das hätte man uns wirklich vorher sagen können, bevor die Straße gesperrt wurde.", "de"),
        ("👍 100", None),
    ],
)
def test_the_language_of_a_wording_is_known(world: World, text: str, code: str | None) -> None:
    sent(world, text)
    with world.store.session() as session:
        assert [row.language for row in session.scalars(select(Revision))] == [code]


def test_scores_of_a_model_that_was_in_shadow_count_once_it_is_asked(world: World) -> None:
    """The text could not be scored when it came; the candidate scored it, was promoted, and the comment comes again."""
    sent(world, score=None)
    with world.store.writing() as session:
        revision = session.scalars(select(Revision)).one()
        session.add(
            RevisionScores(revision_id=revision.id, model="model 1", shadow=True, scores={"report_worthy": 0.2})
        )
    assert sent(world, score=MILD).action == "accept"
    with world.store.session() as session:
        row = session.scalars(select(RevisionScores)).one()
        assert (row.shadow, row.scores) == (False, {"report_worthy": MILD})


def test_what_an_author_takes_back_is_gone_from_suggested_scores_too(world: World) -> None:
    sent(world, "Mine.")
    sent(world, "Another's.", comment="c2")
    with world.store.writing() as session:
        for text, comment in (("Mine.", None), ("Mine, cut.", "c1"), ("Another's.", "c2"), ("Else.", None)):
            session.add(Feedback(text=text, attribute="TOXICITY", value=1, languages=[], comment_id=comment))
    with world.store.writing() as session:
        comments.delete(session, world.site_row(session), world.row(session, "c1"), "key:1", now())
    with world.store.session() as session:
        assert [row.text for row in session.scalars(select(Feedback))] == ["Another's.", "Else."]


def test_a_comment_that_is_not_to_be_stored_leaves_no_text(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    store = Store(url)
    store.open()
    World.made(store)
    stay, go, later = "this sentence may stay", "this sentence must leave no trace", "this one is withdrawn later"
    path = "/v1/sites/daily/comments/"
    with running(tmp_path / "log", database_url=url) as server:
        call(server, "PUT", f"{path}c0", {"text": stay})
        assert call(server, "PUT", f"{path}c1", {"text": go, "do_not_store": True})["scores"]["toxicity"] > 0
        call(server, "PUT", f"{path}c1", {"text": go, "do_not_store": True})
        assert call(server, "GET", f"{path}c1")["revision"] == 1
        call(server, "PUT", f"{path}c2", {"text": later})
        call(server, "PUT", f"{path}c2", {"text": later, "do_not_store": True})
        call(server, "PUT", f"{path}c2", {"text": later})  # not said again, and still so
        call(server, "PUT", f"{path}c3", {"text": stay, "do_not_store": True})
        call(server, "PUT", f"{path}c3", {"text": stay, "do_not_store": False})
    with store.session() as session:
        texts = {row.comment.external_id: row.text for row in session.scalars(select(Revision))}
    assert texts == {"c0": stay, "c1": None, "c2": None, "c3": stay}
    store.close()
    found = databases.content(url)
    assert stay.encode() in found and go.encode() not in found
    assert go not in (tmp_path / "log").read_text()


def test_an_overloaded_service_loses_no_comment(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    store = Store(url)
    store.open()
    World.made(store)
    texts = [f"{number} " + "word " * 3000 for number in range(24)]
    with (
        running(tmp_path / "log", database_url=url, deadline_ms=10, workers=1, cache=0) as server,
        ThreadPoolExecutor(8) as pool,
    ):

        def send(number: int) -> Any:
            return call(server, "PUT", f"/v1/sites/daily/comments/c{number}", {"text": texts[number]})

        found = list(pool.map(send, range(24)))
    late = [answer for answer in found if answer["scores"] is None]
    assert late and all(answer["state"] == "held" and answer["case"] for answer in late)
    assert {answer["decision"]["why"] for answer in late} == {"missing_score"}
    with store.session() as session:
        assert session.scalar(select(func.count()).select_from(Comment)) == 24
        assert sites.find(session, "daily")
    store.close()
