from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy.orm import Session

from serving.moderation import audit, comments, decisions, webhooks
from serving.moderation.decisions import By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import AuditEntry, Case, Decision, Delivery, Hook, Report, Revision, Verdict
from serving.store import Store, now
from tests.serving.moderation.world import World

KEY = By("key", key_id="ab12")


def hook(store: Store, *events: str) -> None:
    with store.writing() as session:
        session.add(Hook(site_id="daily", url="https://news.example/hook", secret="s", events=list(events)))


def told(session: Session) -> list[str]:
    return [row.event for row in session.query(Delivery).order_by(Delivery.sequence)]


def decided(world: World, case: str, verdict: Verdict, by: By = KEY, reason: str | None = None) -> str:
    with world.store.writing() as session:
        row = session.get_one(Case, case)
        return decisions.decide(
            session, row, verdict, by, reason=reason or ("abusive" if verdict == "remove" else None)
        ).id


def refused(code: str, act: Callable[[], object]) -> ModerationError:
    with pytest.raises(ModerationError) as caught:
        act()
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize(
    ("state", "verdict", "left", "events"),
    [
        ("published", "keep", ("published", False), ["comment.kept"]),
        ("published", "remove", ("rejected", False), ["comment.removed"]),
        ("published", "feature", ("published", True), ["comment.featured"]),
        ("held", "keep", ("published", False), ["comment.published"]),
        ("held", "remove", ("rejected", False), ["comment.removed"]),
        ("held", "feature", ("published", True), ["comment.published", "comment.featured"]),
        ("rejected", "keep", ("published", False), ["comment.restored"]),
        ("rejected", "remove", ("rejected", False), ["comment.kept"]),
        ("held", "escalate", ("held", False), []),
    ],
)
def test_a_verdict_changes_comment_case_reports_outbox_and_log_together(
    world: World, state: str, verdict: Verdict, left: tuple[str, bool], events: list[str]
) -> None:
    hook(world.store)
    case = world.case("c", "rita", "ron", state=state)
    decision = decided(world, case, verdict)
    with world.store.session() as session:
        comment, row, made = world.row(session, "c"), session.get_one(Case, case), session.get_one(Decision, decision)
        assert (comment.state, comment.featured) == left
        assert told(session) == events
        assert (row.closed_at is None) == (verdict == "escalate") == row.escalated
        outcome = {"remove": True, "escalate": None}.get(verdict, False)
        assert {report.upheld for report in session.query(Report)} == {outcome} == {made.upheld}
        assert made.features == {"text": 1.0, "fit": 0.1, "reports": 0.7}
        assert (made.log_odds, made.model) == (1.8, "evenhand-minilm 0.2.0")
        assert made.scores and made.scores["report_worthy"] == 0.8
        entry = session.query(AuditEntry).order_by(AuditEntry.number.desc()).first()
        assert entry and (entry.actor, entry.action, entry.subject) == (
            "key:ab12",
            "decision.made",
            f"decision:{decision}",
        )
        assert list(audit.verify(session)) == []
        site = world.site_row(session)
        assert site.touched_at >= made.at


def test_withdrawn_reports_have_no_outcome(world: World) -> None:
    case = world.case("c", "rita", "ron")
    with world.store.writing() as session:
        session.query(Report).order_by(Report.id).first().withdrawn_at = world.site_row(session).created_at  # type: ignore[union-attr]
    decided(world, case, "remove")
    with world.store.session() as session:
        assert [report.upheld for report in session.query(Report).order_by(Report.id)] == [None, True]


def test_a_decided_case_is_closed(world: World) -> None:
    case = world.case()
    decided(world, case, "keep")
    assert refused("closed", lambda: decided(world, case, "remove")).kind == "conflict"


def test_a_lease_is_respected_while_it_lasts(world: World) -> None:
    mine, other = world.moderator(), world.moderator()
    case, lapsed = world.case(), world.case()
    world.claim(case, mine)
    world.claim(lapsed, mine, seconds=-1)
    for by in (By("moderator", other), KEY):
        refused("claimed", lambda by=by: decided(world, case, "keep", by))  # type: ignore[misc]
    decided(world, case, "keep", By("moderator", mine))
    decided(world, lapsed, "keep", By("moderator", other))


def test_escalated_cases_are_for_editors(world: World) -> None:
    case, moderator, editor = world.case(), world.moderator(), world.moderator(role="editor")
    decided(world, case, "escalate", By("moderator", moderator))
    refused("forbidden", lambda: decided(world, case, "keep", By("moderator", moderator)))
    refused("escalated", lambda: decided(world, case, "escalate", By("moderator", editor)))
    decided(world, case, "remove", By("moderator", editor))


def test_a_moderator_of_another_site_may_not(world: World) -> None:
    case, stranger = world.case(), world.moderator(only=("weekly",))
    refused("forbidden", lambda: decided(world, case, "keep", By("moderator", stranger)))
    refused("forbidden", lambda: decided(world, case, "keep", By("moderator", 999)))


@pytest.mark.parametrize(
    ("verdict", "more", "field"),
    [
        ("remove", {}, "reason"),
        ("remove", {"reason": "dull"}, "reason"),
        ("keep", {"note": "x" * 2001}, "note"),
        ("remove", {"reason": "abusive", "law": "§ 130 StGB"}, "law"),
        ("remove", {"reason": "illegal", "law": "x" * 501}, "law"),
        ("banish", {}, "verdict"),
    ],
)
def test_a_bad_field_is_named(world: World, verdict: Verdict, more: dict[str, str], field: str) -> None:
    case = world.case()
    with world.store.writing() as session:
        row = session.get_one(Case, case)
        problem = refused("invalid_request", lambda: decisions.decide(session, row, verdict, KEY, **more))  # type: ignore[arg-type]
    assert problem.field == field
    assert str(problem).startswith(f"{field}: expected")


def test_a_text_changed_since_is_not_decided_unseen(world: World) -> None:
    case = world.case("c")
    with world.store.writing() as session:
        world.row(session, "c").revision = 2
    with world.store.writing() as session:
        row = session.get_one(Case, case)
        refused("changed", lambda: decisions.decide(session, row, "keep", KEY, revision=1))
        decisions.decide(session, row, "keep", KEY, revision=2)


def test_of_simultaneous_decisions_exactly_one_wins(world: World) -> None:
    cases, start = [world.case() for _ in range(5)], Barrier(6)

    def act(number: int) -> list[str]:
        start.wait()
        outcomes = []
        for case in cases:
            try:
                outcomes.append(decided(world, case, "remove" if number % 2 else "keep", By("key", key_id=str(number))))
            except ModerationError as problem:
                outcomes.append(problem.code)
        return outcomes

    with ThreadPoolExecutor(6) as pool:
        columns = list(zip(*pool.map(act, range(6)), strict=True))
    for outcomes in columns:
        assert sorted(outcomes)[1:] == ["closed"] * 5 or sorted(outcomes)[:-1] == ["closed"] * 5
    with world.store.session() as session:
        assert session.query(Decision).count() == 5
        assert list(audit.verify(session)) == []


def test_a_moderator_acts_unasked(world: World) -> None:
    hook(world.store)
    world.comment("c")
    with world.store.writing() as session:
        made = decisions.decide_comment(session, world.row(session, "c"), "feature", KEY)
        case = session.get_one(Case, made.case_id)
        assert (case.origin, case.closed_at, made.features) == ("moderator", made.at, None)
    with world.store.writing() as session:
        decisions.decide_comment(session, world.row(session, "c"), "keep", KEY)
        assert not world.row(session, "c").featured
        assert told(session) == ["comment.featured", "comment.unfeatured"]
    with world.store.writing() as session:
        removed = decisions.decide_comment(session, world.row(session, "c"), "remove", KEY, reason="spam")
        decisions.undo(session, removed, KEY)
        assert world.row(session, "c").state == "published"
        assert session.query(Case).filter_by(closed_at=None).count() == 0  # nobody asked for it to be looked at


def test_an_open_case_is_decided_with_its_comment(world: World) -> None:
    case = world.case("c")
    with world.store.writing() as session:
        assert decisions.decide_comment(session, world.row(session, "c"), "keep", KEY).case_id == case
    world.report("c", "ron")
    with world.store.session() as session:
        assert session.query(Case).count() == 2


def test_undo_puts_everything_back(world: World) -> None:
    hook(world.store)
    case = world.case("c", state="held")
    made = decided(world, case, "remove")
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, made), KEY)
    with world.store.session() as session:
        row = session.get_one(Case, case)
        assert world.row(session, "c").state == "held"
        assert (row.closed_at, row.escalated) == (None, False)
        assert [(report.upheld, report.decided_at) for report in session.query(Report)] == [(None, None)]
        assert told(session) == ["comment.removed", "comment.held"]
        assert "undone_at" in session.query(Delivery).order_by(Delivery.sequence.desc()).first().body["decision"]  # type: ignore[union-attr]
        assert session.query(AuditEntry).filter_by(action="decision.undone", subject=f"decision:{made}").count() == 1
    undone = world.store.writing
    with undone() as session:
        refused("undone", lambda: decisions.undo(session, session.get_one(Decision, made), KEY))
    decided(world, case, "keep")


def test_undo_opens_no_case_of_a_comment_that_is_gone(world: World) -> None:
    case = world.case("c")
    made = decided(world, case, "remove")
    with world.store.writing() as session:
        comments.delete(session, world.site_row(session), world.row(session, "c"), "key:1", now())
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, made), KEY)
        assert session.get_one(Case, case).closed_at is not None
        assert world.row(session, "c").state == "published"


def test_who_reported_other_words_is_not_wrong_if_these_are_kept(world: World) -> None:
    """Else authors could spoil their readers' records: be reported, reword, be kept."""
    case = world.case("c", "rita")
    with world.store.writing() as session:
        comment = world.row(session, "c")
        comment.revision = 2
        session.add(Revision(comment_id=comment.id, number=2, text="Well, I disagree.", digest=b"1" * 32))
    world.report("c", "ron", revision=2)
    kept = decided(world, case, "keep")

    def outcomes() -> list[bool | None]:
        with world.store.session() as session:
            return [report.upheld for report in session.query(Report).order_by(Report.id)]

    assert outcomes() == [None, False]
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, kept), KEY)
    assert outcomes() == [None, None]
    decided(world, case, "remove")
    assert outcomes() == [True, True]


def test_undo_of_an_escalation(world: World) -> None:
    case = world.case("c")
    made = decided(world, case, "escalate")
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, made), KEY)
        assert not session.get_one(Case, case).escalated


def test_undo_has_its_time_and_its_people(world: World) -> None:
    mine, other, editor = world.moderator(), world.moderator(), world.moderator(role="editor")
    made = decided(world, world.case("c"), "remove", By("moderator", mine))
    with world.store.writing() as session:
        row = session.get_one(Decision, made)
        refused("forbidden", lambda: decisions.undo(session, row, By("moderator", other)))
        row.at -= timedelta(seconds=3601)
        session.flush()
        refused("too_late", lambda: decisions.undo(session, row, By("moderator", editor)))
        row.at += timedelta(seconds=60)
        session.flush()
        decisions.undo(session, row, By("moderator", editor))


@pytest.mark.parametrize("change", ["revision", "later decision", "newer case"])
def test_what_changed_since_is_not_undone(world: World, change: str) -> None:
    made = decided(world, world.case("c"), "keep")
    if change == "newer case":
        world.report("c", "ron")
    with world.store.writing() as session:
        comment = world.row(session, "c")
        if change == "revision":
            comment.revision = 2
        if change == "later decision":
            decisions.decide_comment(session, comment, "keep", KEY)
    with world.store.writing() as session:
        refused("changed", lambda: decisions.undo(session, session.get_one(Decision, made), KEY))


def test_nobodys_words_leave_in_a_webhook(store: Store) -> None:
    with store.writing() as session:
        for body in ({"text": "x"}, {"comment": {"author": "x"}}, {"reports": [{"details": "x"}]}):
            with pytest.raises(ValueError, match="must not leave"):
                webhooks.enqueue(session, "daily", "comment.held", body)
        with pytest.raises(ValueError, match="expected one of"):
            webhooks.enqueue(session, "daily", "comment.eaten", {})  # type: ignore[arg-type]


def test_a_hook_gets_the_events_it_wants(world: World) -> None:
    hook(world.store, "comment.removed")
    decided(world, world.case(), "keep")
    decided(world, world.case(), "remove")
    with world.store.session() as session:
        assert told(session) == ["comment.removed"]
        body = session.query(Delivery).one().body
        assert set(body) == {"comment", "decision", "case"}
        assert body["comment"]["state"] == "rejected"
        assert body["decision"]["reason"] == "abusive"
