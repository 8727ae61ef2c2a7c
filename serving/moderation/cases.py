"""Cases: comments for a person to look at, at most one open of each comment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from serving import triage
from serving.moderation import webhooks
from serving.moderation.rows import insert_unless_there
from serving.moderation.tables import Case, Comment, Origin, Revision, RevisionScores


def current(session: Session, comment_id: int) -> Case | None:
    """A comment's open case, locked until the end of the transaction; None if it has none."""
    wanted = select(Case).where(Case.comment_id == comment_id, Case.closed_at.is_(None)).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).first()


def open_id(session: Session, comment_id: int) -> str | None:
    """The id of a comment's open case, which is not locked."""
    return session.scalars(select(Case.id).where(Case.comment_id == comment_id, Case.closed_at.is_(None))).first()


def last(session: Session, comment_id: int) -> Case | None:
    """A comment's latest case, open or closed."""
    wanted = select(Case).where(Case.comment_id == comment_id).order_by(Case.opened_at.desc(), Case.id).limit(1)
    return session.scalars(wanted).first()


def opened(session: Session, comment: Comment, origin: Origin, now: datetime) -> tuple[Case, bool]:
    """A comment's open case, locked as the comment must be, and whether it was opened now: then hooks are told.

    A new one ranks by its text alone until the queue is ranked again.
    """
    if found := current(session, comment.id):
        return found, False
    made = insert_unless_there(
        session,
        Case,
        ["comment_id"],
        text("closed_at IS NULL"),
        site_id=comment.site_id,
        comment_id=comment.id,
        origin=origin,
        opened_at=now,
        log_odds=by_text(scores_of(session, comment) or {}, now),
    )
    case = current(session, comment.id)
    if case and made:
        told = {"case": {"id": case.id, "origin": origin, "opened_at": now.isoformat()}}
        webhooks.enqueue(session, comment.site_id, "case.opened", told, comment)
    # Closed between the two statements: somebody decided it this very moment.
    return (case, made) if case else opened(session, comment, origin, now)


def by_text(scores: Mapping[str, float], now: datetime) -> float:
    """Log-odds of P(upheld) by the scores of the text alone."""
    return triage.assess(triage.Case("", "", "", scores), {}, now).log_odds


def scores_of(session: Session, comment: Comment) -> dict[str, float] | None:
    """The scores that count, of the current revision; None if it has none."""
    found = scored(session, comment)
    return found[1] if found else None


def scored(session: Session, comment: Comment) -> tuple[str, dict[str, float]] | None:
    """The same with the model that gave them."""
    wanted = (
        select(RevisionScores.model, RevisionScores.scores)
        .join(Revision, Revision.id == RevisionScores.revision_id)
        .where(
            Revision.comment_id == comment.id,
            Revision.number == comment.revision,
            RevisionScores.shadow.is_(False),
        )
        .order_by(RevisionScores.id.desc())
        .limit(1)
    )
    found = session.execute(wanted).first()
    return (found[0], found[1]) if found else None
