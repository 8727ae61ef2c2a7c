"""Appeals: an author's complaint about a removal, and what a second person makes of it.

As with decisions, each function works in one writing transaction, and locks the comment first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation import audit, decisions, sites, verdicts, webhooks
from serving.moderation.problems import conflict, invalid, missing, refused
from serving.moderation.tables import Appeal, Author, Comment, Decision, Moderator, Report, Site, new_id
from serving.moderation.verdicts import By
from serving.store import now
from serving.text import visible

LONGEST = 2000  # characters of an appeal and of the note on it
RESTRICTIONS = ("remove", "reject")  # actions that take a comment from its readers
Outcome = Literal["upheld", "overturned"]  # of the decision: upheld stands, overturned does not


def find(session: Session, appeal_id: str) -> Appeal:
    """An appeal by its id. Raises ModerationError."""
    found = session.get(Appeal, appeal_id) if appeal_id.isalnum() else None
    if found is None:
        raise missing("appeal")
    return found


def file(session: Session, decision: Decision, author: str, text: str, actor: str) -> Appeal:
    """An author's appeal, one a decision; the same again is the same appeal. `author`: the id in the comment system.

    Raises ModerationError: forbidden (another's comment), not_appealable, undone, overturned, too_late, appealed, or a
    bad field.
    """
    if not visible(text) or len(text) > LONGEST:
        raise invalid("text", f"expected 1 to {LONGEST:,} characters")
    comment = session.get_one(Comment, decision.comment_id)
    session.refresh(comment, with_for_update=True)
    session.refresh(decision, with_for_update=True)
    writer = session.get(Author, comment.author_id) if comment.author_id else None
    if writer is None or writer.external_id != author:
        raise refused("author", "the comment is not this author's")
    if decision.action not in RESTRICTIONS:
        raise conflict("not_appealable", "decision", "it removed nothing")
    known = session.scalars(select(Appeal).where(Appeal.decision_id == decision.id)).first()
    if known is not None and known.text == text:
        return known
    if known is not None:
        raise conflict("appealed", "decision", "it has been appealed already")
    decisions.stands(decision)
    days = sites.settings(session.get_one(Site, decision.site_id)).appeal_days
    if now() > decision.at + timedelta(days=days):
        raise conflict("too_late", "decision", f"it could be appealed within {days} days")
    appeal = Appeal(id=new_id(), site_id=decision.site_id, decision_id=decision.id, text=text, state="open", at=now())
    session.add(appeal)
    session.flush()
    audit.append(session, actor, "appeal.filed", f"appeal:{appeal.id}", site=appeal.site_id)
    return appeal


def decide(session: Session, appeal: Appeal, outcome: Outcome, by: By, note: str | None = None) -> Appeal:
    """Upholds the decision, or overturns it: then the comment is shown again, unless it was removed once more since,
    and the reports that it bore out count as declined.

    Raises ModerationError: closed, undone, forbidden, or a bad field.
    """
    if outcome not in ("upheld", "overturned"):
        raise invalid("outcome", "expected upheld or overturned")
    if note is not None and len(note) > LONGEST:
        raise invalid("note", f"expected at most {LONGEST:,} characters")
    decision = decisions.find(session, appeal.decision_id)
    comment = session.get_one(Comment, decision.comment_id)
    session.refresh(comment, with_for_update=True)
    session.refresh(decision, with_for_update=True)
    session.refresh(appeal, with_for_update=True)
    if appeal.state != "open":
        raise conflict("closed", "appeal", "it has been decided already")
    _impartial(session, decision, by)
    at, state, featured = now(), comment.state, comment.featured
    appeal.state, appeal.decided_at, appeal.moderator_id, appeal.note = outcome, at, by.moderator_id, note
    told = {"appeal": {"id": appeal.id, "state": outcome, "at": at.isoformat()}}
    if outcome == "overturned":
        _overturn(session, decision, comment)
        for event in verdicts.tell(state, featured, comment):
            webhooks.enqueue(session, appeal.site_id, event, verdicts.described(decision) | told, comment)
    webhooks.enqueue(session, appeal.site_id, "appeal.decided", verdicts.described(decision) | told, comment)
    sites.touch(session.get_one(Site, appeal.site_id))
    details = {"outcome": outcome, "decision": decision.id}
    audit.append(session, by.name, "appeal.decided", f"appeal:{appeal.id}", site=appeal.site_id, details=details)
    return appeal


def judges(session: Session, site_id: str) -> list[Moderator]:
    """Who may decide a site's appeals: its editors and admins; its moderators where it has none."""
    active = session.scalars(select(Moderator).where(Moderator.disabled_at.is_(None)).order_by(Moderator.id))
    here = [person for person in active if not person.sites or site_id in person.sites]
    return [person for person in here if person.role != "moderator"] or here


def _impartial(session: Session, decision: Decision, by: By) -> None:
    """Who removed does not judge, unless nobody else is there: a complaint must be decided all the same (DSA Art. 20).

    Nothing is known of the people behind a key, so a key may: the comment system sees to it.
    """
    decisions.admit(session, by, decision.site_id)
    if by.moderator_id is None:
        return
    able = {person.id for person in judges(session, decision.site_id)}
    if by.moderator_id not in able:
        raise refused("moderator", "an editor or admin decides appeals")
    if by.moderator_id == decision.moderator_id and able != {by.moderator_id}:
        raise refused("moderator", "somebody else than who removed the comment decides its appeal")


def _overturn(session: Session, decision: Decision, comment: Comment) -> None:
    decision.overturned_at = at = now()
    again = select(Decision.id).where(
        Decision.comment_id == comment.id, Decision.action.in_(RESTRICTIONS), Decision.id != decision.id,
        Decision.at >= decision.at, Decision.undone_at.is_(None), Decision.overturned_at.is_(None),
    )  # fmt: skip
    if comment.state == "rejected" and not session.scalars(again).first():
        comment.state = "published"
    if decision.upheld is not None:
        decision.upheld = False
    borne_out = (Report.comment_id == comment.id, Report.decided_at == decision.at, Report.upheld.is_(True))
    for report in session.scalars(select(Report).where(*borne_out)):
        report.upheld, report.decided_at = False, at
