from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from serving.moderation import appeals, audit, decisions
from serving.moderation.decisions import By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Appeal, AuditEntry, Case, Decision, Report
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.test_decisions import KEY, decided, hook, refused, told
from tests.serving.moderation.world import World

WORDS = "That was a quotation from the article."


def filed(world: World, decision: str, author: str = "ann", text: str = WORDS) -> str:
    with world.store.writing() as session:
        return appeals.file(session, session.get_one(Decision, decision), author, text, "key:ab12").id


def settled(world: World, appeal: str, outcome: str, by: By = KEY) -> None:
    with world.store.writing() as session:
        appeals.decide(session, session.get_one(Appeal, appeal), outcome, by, "seen")  # type: ignore[arg-type]


def test_overturning_restores_the_comment_and_turns_the_reports(world: World) -> None:
    hook(world.store)
    made = decided(world, world.case("c", "rita", "ron"), "remove")
    appeal = filed(world, made)
    settled(world, appeal, "overturned")
    with world.store.session() as session:
        assert world.row(session, "c").state == "published"
        row = session.get_one(Decision, made)
        assert row.overturned_at is not None
        assert row.upheld is False
        assert {report.upheld for report in session.query(Report)} == {False}
        assert told(session) == ["comment.removed", "comment.restored", "appeal.decided"]
        found = session.get_one(Appeal, appeal)
        assert (found.state, found.note) == ("overturned", "seen")
        actions = [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.number)][-2:]
        assert actions == ["appeal.filed", "appeal.decided"]
        assert WORDS not in str([entry.details for entry in session.query(AuditEntry)])
        assert list(audit.verify(session)) == []


def test_upholding_changes_nothing_else(world: World) -> None:
    hook(world.store)
    made = decided(world, world.case("c"), "remove")
    appeal = filed(world, made)
    settled(world, appeal, "upheld")
    with world.store.session() as session:
        assert world.row(session, "c").state == "rejected"
        assert {report.upheld for report in session.query(Report)} == {True}
        assert told(session) == ["comment.removed", "appeal.decided"]
    refused("closed", lambda: settled(world, appeal, "overturned"))


def test_a_comment_removed_once_more_stays_removed(world: World) -> None:
    first = decided(world, world.case("c"), "remove")
    with world.store.writing() as session:
        decisions.decide_comment(session, world.row(session, "c"), "remove", KEY, reason="hateful")
    settled(world, filed(world, first), "overturned")
    with world.store.session() as session:
        assert world.row(session, "c").state == "rejected"


def test_one_appeal_a_decision_of_the_author_in_time(world: World) -> None:
    made = decided(world, world.case("c"), "remove")
    refused("forbidden", lambda: filed(world, made, author="bob"))
    for text in ("", " \u200b", "x" * 2001):
        assert refused("invalid_request", lambda text=text: filed(world, made, text=text)).field == "text"  # type: ignore[misc]
    with world.store.writing() as session:
        session.get_one(Decision, made).at -= timedelta(days=184)
    refused("too_late", lambda: filed(world, made))
    with world.store.writing() as session:
        session.get_one(Decision, made).at += timedelta(days=183)
    appeal = filed(world, made)
    assert filed(world, made) == appeal
    refused("appealed", lambda: filed(world, made, text="Something else."))
    with world.store.writing() as session:
        row = session.get_one(Decision, made)
        row.at += timedelta(days=1)
        session.flush()
        refused("appealed", lambda: decisions.undo(session, row, KEY))


def test_only_removals_that_stand_can_be_appealed(world: World) -> None:
    kept = decided(world, world.case(), "keep")
    refused("not_appealable", lambda: filed(world, kept))
    removed = decided(world, world.case(), "remove")
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, removed), KEY)
    refused("undone", lambda: filed(world, removed))


def test_somebody_else_decides(world: World) -> None:
    editor, other, moderator = world.moderator(role="editor"), world.moderator(role="admin"), world.moderator()
    appeal = filed(world, decided(world, world.case(), "remove", By("moderator", editor)))
    refused("forbidden", lambda: settled(world, appeal, "upheld", By("moderator", editor)))
    refused("forbidden", lambda: settled(world, appeal, "upheld", By("moderator", moderator)))
    settled(world, appeal, "upheld", By("moderator", other))


def test_who_is_alone_decides_alone(world: World) -> None:
    only = world.moderator()
    appeal = filed(world, decided(world, world.case(), "remove", By("moderator", only)))
    settled(world, appeal, "overturned", By("moderator", only))


def test_of_simultaneous_outcomes_one_counts(world: World) -> None:
    appeal = filed(world, decided(world, world.case(), "remove"))

    def act(outcome: str) -> str:
        try:
            settled(world, appeal, outcome)
        except ModerationError as problem:
            return problem.code
        return outcome

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(act, ["upheld", "overturned"] * 2))
    assert sorted(found)[:3] == ["closed"] * 3


def test_over_http(served: Service) -> None:
    world = served.world()
    made = served.call("POST", f"/v1/cases/{world.case('c')}/decision", {"verdict": "remove", "reason": "abusive"})
    path = f"/v1/decisions/{made['id']}/appeal"
    assert served.call("POST", path, {"author": "bob", "text": WORDS}, 403)["code"] == "forbidden"
    appeal = served.call("POST", path, {"author": "ann", "text": WORDS})
    assert (appeal["state"], appeal["comment"], appeal["text"]) == ("open", "c", WORDS)
    listed = served.call("GET", f"/v1/appeals?site={world.site}&state=open")
    assert [one["id"] for one in listed["appeals"]] == [appeal["id"]]
    done = served.call("POST", f"/v1/appeals/{appeal['id']}/decision", {"outcome": "overturned"})
    assert done["state"] == "overturned"
    assert served.call("GET", f"/v1/appeals/{appeal['id']}") == done
    assert served.call("GET", f"/v1/decisions/{made['id']}")["overturned_at"]
    served.call("POST", f"/v1/appeals/{appeal['id']}/decision", {"outcome": "upheld"}, 409)
    served.call("POST", "/v1/decisions/0000000000000000/appeal", {"author": "ann", "text": WORDS}, 404)
    with served.store.session() as session:
        assert world.row(session, "c").state == "published"
        assert session.query(Case).filter_by(site_id=world.site, closed_at=None).count() == 0


@pytest.mark.parametrize("name", ["nobody", ""])
def test_a_moderator_who_is_not_known(served: Service, name: str) -> None:
    case = served.world().case()
    body = {"verdict": "keep", "moderator": name}
    assert served.call("POST", f"/v1/cases/{case}/decision", body, 422)["field"] == "moderator"
