"""Decisions: what a moderator does with a comment, and taking it back.

Each function works in the session's one transaction, which must be a writing one (`store.writing()`): the comment, its
case, the reports on it, the outbox and the audit log change together or not at all. Rows are locked in one order
everywhere, so that no two transactions wait for each other: comments by id, cases, site, audit log.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation import audit, sites, verdicts, webhooks
from serving.moderation.problems import ModerationError, conflict, missing, refused
from serving.moderation.reasons import REASONS, Reason
from serving.moderation.tables import Appeal, Case, Comment, Decision, Moderator, Report, Site, Verdict, new_id
from serving.moderation.verdicts import VERDICTS, By, Grounds, Stroke
from serving.store import now

__all__ = [
    "REASONS",
    "VERDICTS",
    "By",
    "Reason",
    "admit",
    "decide",
    "decide_comment",
    "find",
    "stands",
    "undo",
    "undo_bulk",
]


def find(session: Session, decision_id: str) -> Decision:
    """A decision by its id. Raises ModerationError."""
    found = session.get(Decision, decision_id) if decision_id.isalnum() else None
    if found is None:
        raise missing("decision")
    return found


def admit(session: Session, by: By, site_id: str, case: Case | None = None) -> Moderator | None:
    """The moderator who acts, if one is named.

    Raises ModerationError if that person may not decide on this site or case.
    """
    if by.moderator_id is None:
        return None
    moderator = session.get(Moderator, by.moderator_id)
    if moderator is None or moderator.disabled_at or (moderator.sites and site_id not in moderator.sites):
        raise refused("moderator", "this person does not work on this site")
    if case is not None and case.escalated and moderator.role == "moderator":
        raise refused("case", "it is escalated; an editor or admin decides it")
    return moderator


def decide(
    session: Session,
    case: Case,
    verdict: Verdict,
    by: By,
    *,
    reason: str | None = None,
    note: str | None = None,
    law: str | None = None,
    revision: int | None = None,
) -> Decision:
    """Decides an open case. `revision`: that which was looked at, so that a text changed since is not decided unseen.

    keep: the comment is shown. remove: it is not, and the standing reports of the case are upheld. feature: it is
    shown and praised. escalate: the case stays open, for an editor or admin.
    Raises ModerationError: closed (decided already), claimed (by another moderator), changed, escalated, forbidden,
    or a bad field.
    """
    grounds = Grounds(verdict, reason, note, law)
    grounds.check()
    comment = session.get_one(Comment, case.comment_id)
    verdicts.lock(session, comment, case)
    admit(session, by, case.site_id, case)
    return _decide(session, case, comment, grounds, Stroke(by, now()), revision)


def decide_comment(
    session: Session,
    comment: Comment,
    verdict: Verdict,
    by: By,
    *,
    reason: str | None = None,
    note: str | None = None,
    law: str | None = None,
    revision: int | None = None,
) -> Decision:
    """Decides a comment: its open case, or else, unasked, one made for the purpose with the origin moderator.

    An unasked keep also takes a feature away. Raises ModerationError, as `decide` does.
    """
    grounds, stroke = Grounds(verdict, reason, note, law), Stroke(by, now())
    grounds.check()
    session.refresh(comment, with_for_update=True)
    case = session.scalars(select(Case).where(Case.comment_id == comment.id, Case.closed_at.is_(None))).first()
    if case is not None:
        return decide(session, case, verdict, by, reason=reason, note=note, law=law, revision=revision)
    admit(session, by, comment.site_id)
    case = Case(
        id=new_id(), site_id=comment.site_id, comment_id=comment.id, origin="moderator", opened_at=stroke.at,
        escalated=False, log_odds=0.0,
    )  # fmt: skip
    session.add(case)
    return _decide(session, case, comment, grounds, stroke, revision)


def _decide(
    session: Session, case: Case, comment: Comment, grounds: Grounds, stroke: Stroke, revision: int | None
) -> Decision:
    scored = verdicts.latest_scores(session, [comment.id]).get(comment.id)
    decision = verdicts.apply(session, case, comment, grounds, stroke, scored, revision)
    details = {"action": decision.action, "reason": decision.reason, "case": decision.case_id}
    if stroke.by.moderator_id is not None and stroke.by.key_id is not None:
        details["key"] = stroke.by.key_id
    _record(session, stroke.by, "decision.made", f"decision:{decision.id}", decision.site_id, details)
    return decision


def undo(session: Session, decision: Decision, by: By) -> Decision:
    """Takes a decision back: the comment is as it was, the case open again unless its author has deleted the comment
    since, its reports undecided.

    A moderator undoes own decisions; editors, admins and keys anybody's.
    Raises ModerationError: undone, overturned, too_late, appealed, forbidden, changed (the comment is, or another
    decision followed).
    """
    _undo(session, decision, by)
    _record(session, by, "decision.undone", f"decision:{decision.id}", decision.site_id, {})
    return decision


def undo_bulk(session: Session, bulk_id: str, by: By) -> tuple[list[Decision], dict[str, str]]:
    """Takes back what was decided at one stroke, where it still can be; and why not, as a code, by decision's id.

    Raises ModerationError if there is no such stroke.
    """
    made = list(session.scalars(select(Decision).where(Decision.bulk_id == bulk_id).order_by(Decision.comment_id)))
    if not made:
        raise missing("bulk")
    undone, left = [], {}
    for decision in made:
        try:
            _undo(session, decision, by)
        except ModerationError as problem:
            left[decision.id] = problem.code
        else:
            undone.append(decision)
    details = {"decisions": [decision.id for decision in undone]}
    _record(session, by, "bulk.undone", f"bulk:{bulk_id}", made[0].site_id, details)
    return undone, left


def _record(session: Session, by: By, action: str, subject: str, site_id: str, details: dict[str, Any]) -> None:
    """Touches the site and then writes the audit entry: the last locks that a decision takes."""
    sites.touch(session.get_one(Site, site_id))
    audit.append(session, by.name, action, subject, site=site_id, details=details)


def _undo(session: Session, decision: Decision, by: By) -> None:
    if decision.actor == "policy" or decision.case_id is None:
        raise ModerationError(
            "conflict", "not_undoable", "decision: a policy made it; decide the comment instead", "decision"
        )
    comment, case = session.get_one(Comment, decision.comment_id), session.get_one(Case, decision.case_id)
    verdicts.lock(session, comment, case)
    session.refresh(decision, with_for_update=True)
    moderator = admit(session, by, decision.site_id)
    if moderator and moderator.role == "moderator" and decision.moderator_id != moderator.id:
        raise refused("decision", "it is another moderator's")
    _undoable(session, decision, comment, case)
    at, state, featured = now(), comment.state, comment.featured
    comment.state, comment.featured = decision.before["state"], decision.before["featured"]
    case.escalated = decision.before["escalated"]
    # One made for the decision was never in the queue, and of a comment without its text there is nothing to decide.
    unasked = case.origin == "moderator" and case.opened_at == decision.at
    if not unasked and comment.deleted_at is None:
        case.closed_at = None
    for report in session.scalars(
        select(Report).where(Report.comment_id == comment.id, Report.decided_at == decision.at)
    ):
        report.upheld, report.decided_at = None, None
    decision.undone_at = at
    body = verdicts.described(decision)
    body["decision"]["undone_at"] = at.isoformat()
    for event in verdicts.tell(state, featured, comment):
        webhooks.enqueue(session, decision.site_id, event, body, comment)


def stands(decision: Decision) -> None:
    """Raises ModerationError if a decision was taken back or overturned."""
    if decision.undone_at is not None:
        raise conflict("undone", "decision", "it has been undone already")
    if decision.overturned_at is not None:
        raise conflict("overturned", "decision", "an appeal has overturned it")


def _undoable(session: Session, decision: Decision, comment: Comment, case: Case) -> None:
    stands(decision)
    allowed = sites.settings(session.get_one(Site, decision.site_id)).undo_seconds
    if now() > decision.at + timedelta(seconds=allowed):
        raise ModerationError(
            "conflict", "too_late", f"decision: it could be undone within {allowed} seconds", "decision"
        )
    if session.scalars(select(Appeal.id).where(Appeal.decision_id == decision.id)).first():
        raise ModerationError(
            "conflict", "appealed", "decision: its author has appealed; decide the appeal", "decision"
        )
    left = decision.before["left"]
    later = select(Decision.id).where(
        Decision.comment_id == comment.id, Decision.at > decision.at, Decision.undone_at.is_(None)
    )
    unchanged = (left["state"], left["featured"], decision.revision)
    if (comment.state, comment.featured, comment.revision) != unchanged or session.scalars(later).first():
        raise ModerationError(
            "conflict", "changed", "decision: the comment has changed since; decide it anew", "decision"
        )
    newer = select(Case.id).where(Case.comment_id == comment.id, Case.closed_at.is_(None), Case.id != case.id)
    if session.scalars(newer).first():
        raise conflict("changed", "decision", "the comment has a newer case; decide that")
