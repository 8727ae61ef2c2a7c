"""What follows from a verdict: the comment's state, its case, the reports on it, and what its site is told.

decisions.py and bulk.py decide whether a verdict may be given; here it is carried out, on rows that are locked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation import webhooks
from serving.moderation.problems import conflict, invalid
from serving.moderation.reasons import REASONS
from serving.moderation.tables import (
    Actor,
    Case,
    Comment,
    Decision,
    Report,
    Revision,
    RevisionScores,
    State,
    Verdict,
    new_id,
)

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
NOTE, LAW = 2000, 500  # characters at most


@dataclass(frozen=True, slots=True)
class By:
    """Who acts. A key may act for a moderator whom it names; a key alone is taken for a person behind it."""

    actor: Actor
    moderator_id: int | None = None
    key_id: str | None = None
    policy_id: int | None = None

    @property
    def name(self) -> str:
        """As the audit log has it: moderator:7, policy:3, key:ab12, or local where no key is asked for."""
        if self.moderator_id is not None:
            return f"moderator:{self.moderator_id}"
        if self.policy_id is not None:
            return f"policy:{self.policy_id}"
        return f"key:{self.key_id}" if self.key_id else "local"


@dataclass(frozen=True, slots=True)
class Grounds:
    """A verdict and why. A removal has a reason, of REASONS; the note is for moderators, at most NOTE characters;
    `law` is what an illegal comment breaks, at most LAW characters.
    """

    verdict: Verdict
    reason: str | None = None
    note: str | None = None
    law: str | None = None

    def check(self) -> None:
        """Raises ModerationError for a field that breaks its rule."""
        if self.verdict not in VERDICTS:
            raise invalid("verdict", f"expected one of {', '.join(VERDICTS)}")
        if self.reason is None and self.verdict == "remove":
            raise invalid("reason", f"expected one of {', '.join(REASONS)}: a removal is explained to its author")
        if self.reason is not None and self.reason not in REASONS:
            raise invalid("reason", f"expected one of {', '.join(REASONS)}")
        if self.note is not None and len(self.note) > NOTE:
            raise invalid("note", f"expected at most {NOTE:,} characters")
        if self.law is not None and (len(self.law) > LAW or not self.law.strip() or self.reason != "illegal"):
            raise invalid("law", f"expected 1 to {LAW} characters, and only with the reason illegal")


@dataclass(frozen=True, slots=True)
class Stroke:
    """Who decides, at what moment, and the id that decisions made at one stroke share."""

    by: By
    at: datetime
    bulk_id: str | None = None


def apply(
    session: Session,
    case: Case,
    comment: Comment,
    grounds: Grounds,
    stroke: Stroke,
    scored: tuple[str, dict[str, float]] | None,
    revision: int | None = None,
) -> Decision:
    """Makes a decision and all that follows from it but the audit entry. Case and comment are locked and fresh.

    Raises ModerationError: closed, claimed (by another), changed (the comment is not at `revision`), escalated.
    """
    _decidable(case, comment, grounds, stroke, revision)
    state, featured = comment.state, comment.featured
    before = {"state": state, "featured": featured, "escalated": case.escalated}
    if grounds.verdict == "escalate":
        case.escalated = True
    else:
        unasked = case.origin == "moderator" and case.opened_at == stroke.at
        kept = grounds.verdict == "keep" and comment.featured and not unasked
        comment.state = "rejected" if grounds.verdict == "remove" else "published"
        comment.featured = grounds.verdict == "feature" or kept
        case.closed_at = stroke.at
    case.claimed_by, case.leased_until = None, None
    decision = Decision(
        id=new_id(),
        site_id=case.site_id,
        comment_id=comment.id,
        revision=comment.revision,
        case_id=case.id,
        actor=stroke.by.actor,
        moderator_id=stroke.by.moderator_id,
        key_id=stroke.by.key_id,
        action=grounds.verdict,
        reason=grounds.reason,
        note=grounds.note,
        law=grounds.law,
        bulk_id=stroke.bulk_id,
        at=stroke.at,
        model=scored[0] if scored else None,
        scores=scored[1] if scored else None,
        log_odds=None if case.features is None else case.log_odds,
        features=case.features,
        before=before | {"left": {"state": comment.state, "featured": comment.featured}},
        upheld=None if grounds.verdict == "escalate" else grounds.verdict == "remove",
    )
    session.add(decision)
    if decision.upheld is not None:
        for report in standing(session, comment.id):
            # To keep other words says nothing of those that were reported: else authors could make readers wrong.
            if decision.upheld or report.revision == comment.revision:
                report.upheld, report.decided_at = decision.upheld, stroke.at
        for event in tell(state, featured, comment) or ["comment.kept"]:
            webhooks.enqueue(session, case.site_id, event, described(decision), comment)
    return decision


def _decidable(case: Case, comment: Comment, grounds: Grounds, stroke: Stroke, revision: int | None) -> None:
    if case.closed_at is not None:
        raise conflict("closed", "case", "it has been decided already")
    claimed = case.claimed_by is not None and case.leased_until is not None and case.leased_until > stroke.at
    if claimed and case.claimed_by != stroke.by.moderator_id:
        raise conflict("claimed", "case", "another moderator works on it")
    if revision is not None and comment.revision != revision:
        raise conflict("changed", "revision", f"the comment is at {comment.revision} by now")
    if grounds.verdict == "escalate" and case.escalated:
        raise conflict("escalated", "case", "it is escalated already")


def lock(session: Session, comment: Comment, case: Case) -> None:
    """Locks both rows, in the order that all transactions keep, and reads them anew."""
    session.refresh(comment, with_for_update=True)
    session.refresh(case, with_for_update=True)


def standing(session: Session, comment_id: int) -> list[Report]:
    """The reports of a comment that nobody withdrew or decided; some may have come after its last case was closed."""
    stands = (Report.withdrawn_at.is_(None), Report.upheld.is_(None))
    return list(session.scalars(select(Report).where(Report.comment_id == comment_id, *stands).order_by(Report.id)))


def tell(state: State, featured: bool, comment: Comment) -> list[webhooks.Event]:
    """The events that tell how a comment has changed since it had this state and was featured or not."""
    told: list[webhooks.Event] = []
    if comment.state != state:
        shown: webhooks.Event = "comment.restored" if state == "rejected" else "comment.published"
        told.append({"published": shown, "held": "comment.held", "rejected": "comment.removed"}[comment.state])
    if comment.featured and not featured:
        told.append("comment.featured")
    if featured and not comment.featured and comment.state == "published":
        told.append("comment.unfeatured")
    return told


def described(decision: Decision) -> dict[str, Any]:
    """A decision as webhooks tell of it."""
    told = {"id": decision.id, "action": decision.action, "actor": decision.actor, "at": decision.at.isoformat()}
    if decision.reason is not None:
        told["reason"] = decision.reason
    return {"decision": told} | ({"case": decision.case_id} if decision.case_id else {})


def latest_scores(session: Session, comments: Collection[int]) -> Mapping[int, tuple[str, dict[str, float]]]:
    """The model and its scores of each comment's present wording, by the comment's row id; shadow models left out."""
    rows = session.execute(
        select(Comment.id, RevisionScores.model, RevisionScores.scores)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .join(RevisionScores, RevisionScores.revision_id == Revision.id)
        .where(Comment.id.in_(comments), RevisionScores.shadow.is_(False))
        .order_by(RevisionScores.id)
    )
    return {comment: (model, scores) for comment, model, scores in rows}
