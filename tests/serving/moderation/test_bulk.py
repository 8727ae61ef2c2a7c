from __future__ import annotations

from serving.moderation import audit, bulk, decisions
from serving.moderation.bulk import Range
from serving.moderation.tables import AuditEntry, Case, Decision, Report
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.test_decisions import KEY, decided, refused
from tests.serving.moderation.world import World

LOW = Range("report_worthy", below=0.3)


def test_a_range_holds_open_cases_by_their_present_scores(world: World) -> None:
    low, edge, top, done = (world.case(score=score) for score in (0.1, 0.3, 1.0, 0.2))
    world.comment(score=0.1)  # no case
    escalated, claimed = world.case(score=0.1), world.case(score=0.1)
    decided(world, done, "keep")
    decided(world, escalated, "escalate")
    world.claim(claimed, world.moderator())
    with world.store.session() as session:

        def held(wanted: Range) -> list[str]:
            return [one.case for one in bulk.select_range(session, world.site, wanted, KEY)]

        assert held(LOW) == [low]
        assert held(Range("report_worthy", 0.3)) == [top, edge]
        assert held(Range("report_worthy", section="sport")) == []
        assert held(Range("report_worthy", section="politics", reason="abusive")) == [top, edge, low]
        assert held(Range("report_worthy", reason="spam")) == []
        assert held(Range("toxicity")) == []
        assert refused("invalid_request", lambda: held(Range("report_worthy", 0.5, 0.5))).field == "below"


def test_many_are_decided_at_one_stroke_and_undone(world: World) -> None:
    cases = [world.case(score=0.1) for _ in range(5)]
    with world.store.writing() as session:
        made = bulk.decide_range(session, world.site, LOW, 5, "keep", KEY)
        assert (len(made.decisions), made.left) == (5, {})
        assert {decision.bulk_id for decision in made.decisions} == {made.id}
    with world.store.session() as session:
        assert session.query(Case).filter_by(closed_at=None).count() == 0
        assert {report.upheld for report in session.query(Report)} == {False}
        entries = session.query(AuditEntry).filter_by(action="bulk.made").all()
        assert [sorted(entry.details["decisions"]) for entry in entries] == [sorted(d.id for d in made.decisions)]
        assert list(audit.verify(session)) == []
    with world.store.writing() as session:
        decisions.decide_comment(session, session.get_one(Case, cases[0]).comment, "remove", KEY, reason="spam")
    with world.store.writing() as session:
        undone, left = decisions.undo_bulk(session, made.id, KEY)
        assert len(undone) == 4
        assert list(left.values()) == ["changed"]
    with world.store.session() as session:
        assert session.query(Case).filter_by(closed_at=None).count() == 4


def test_nothing_uncounted_or_unseen_is_decided(world: World) -> None:
    cases = [world.case(score=0.1) for _ in range(4)]
    with world.store.writing() as session:
        assert (
            refused("changed", lambda: bulk.decide_range(session, world.site, LOW, 3, "keep", KEY)).kind == "conflict"
        )
    decided(world, cases[0], "remove")
    world.claim(cases[1], world.moderator())
    with world.store.writing() as session:
        session.get_one(Case, cases[2]).comment.revision = 2
    with world.store.writing() as session:
        seen = dict.fromkeys([*cases, "0" * 16], 1)
        made = bulk.decide_bulk(session, world.site, seen, "keep", KEY)
        assert [decision.case_id for decision in made.decisions] == [cases[3]]
        assert made.left == {
            cases[0]: "closed", cases[1]: "claimed", cases[2]: "changed", "0" * 16: "unknown_case",
        }  # fmt: skip


def test_cases_of_another_site_are_not_there(world: World) -> None:
    case, other = world.case(), World.made(world.store, "weekly")
    stranger = decisions.By("moderator", world.moderator(only=("weekly",)))
    with world.store.writing() as session:
        assert bulk.decide_bulk(session, other.site, {case: 1}, "keep", KEY).left == {case: "unknown_case"}
        refused("forbidden", lambda: bulk.decide_bulk(session, world.site, {case: 1}, "keep", stranger))


def test_over_http(served: Service) -> None:
    world = served.world()
    cases = [world.case(score=0.1) for _ in range(3)]
    body = {"site": world.site, "verdict": "keep", "range": {"attribute": "report_worthy", "below": 0.3}}
    tried = served.call("POST", "/v1/decisions/bulk", body | {"dry_run": True})
    assert sorted(one["case"] for one in tried["selected"]) == sorted(cases)
    assert served.call("POST", "/v1/decisions/bulk", body, 422)["field"] == "count"
    assert served.call("POST", "/v1/decisions/bulk", body | {"count": 2}, 409)["code"] == "changed"
    assert served.call("POST", "/v1/decisions/bulk", body | {"cases": {cases[0]: 1}}, 422)["field"] == "cases"
    made = served.call("POST", "/v1/decisions/bulk", body | {"count": 3})
    assert len(made["decisions"]) == 3
    undone = served.call("POST", f"/v1/decisions/bulk/{made['bulk']}/undo")
    assert sorted(undone["decisions"]) == sorted(made["decisions"])
    seen = {"site": world.site, "verdict": "remove", "reason": "spam", "cases": {cases[0]: 1, cases[1]: 2}}
    assert served.call("POST", "/v1/decisions/bulk", seen)["left"] == {cases[1]: "changed"}
    served.call("POST", "/v1/decisions/bulk/0000000000000000/undo", status=404)
    listed = served.call("GET", f"/v1/decisions?site={world.site}&limit=3")
    rest = served.call("GET", f"/v1/decisions?site={world.site}&limit=3&cursor={listed['cursor']}")
    assert rest["cursor"] is None
    ids = [one["id"] for one in listed["decisions"] + rest["decisions"]]
    assert len(ids) == len(set(ids)) == 4
    assert served.call("GET", f"/v1/decisions/{ids[0]}")["reason"] == "spam"
    with served.store.session() as session:
        assert session.query(Decision).filter_by(site_id=world.site).count() == 4
