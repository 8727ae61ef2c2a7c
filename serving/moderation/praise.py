"""Good comments: what an editor may want to feature, the most constructive first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from serving.moderation.tables import Comment, Revision, RevisionScores

ATTRIBUTE = "constructive"
SPOILT = "report_worthy"  # who writes well and breaks the rules is not held up to others
RECENT = 2000  # newest published comments that are looked at


@dataclass(frozen=True, slots=True)
class Good:
    """A published comment with its text, and its scores for constructive and report_worthy, 0..1."""

    comment: Comment
    text: str
    score: float
    spoilt: float


def good(
    session: Session, site_ids: Collection[str], *, section: str | None = None, featured: bool = False, limit: int = 30
) -> list[Good]:
    """Published comments of the sites, most constructive first, without those that likely break the rules.

    `featured`: those that are featured already instead of those that are not.
    """
    chosen = (
        select(Comment, Revision.text, RevisionScores.scores)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .join(RevisionScores, (RevisionScores.revision_id == Revision.id) & RevisionScores.shadow.is_(False))
        .where(
            Comment.site_id.in_(site_ids),
            Comment.state == "published",
            Comment.featured.is_(featured),
            Revision.text.is_not(None),
        )
        .options(joinedload(Comment.story), joinedload(Comment.author))
        .order_by(Comment.id.desc(), RevisionScores.id.desc())
        .limit(RECENT)
    )
    if section is not None:
        chosen = chosen.where(Comment.story.has(section=section))
    found: dict[int, Good] = {}  # the latest scores of each
    for comment, text, scores in session.execute(chosen):
        if ATTRIBUTE in scores and comment.id not in found:
            found[comment.id] = Good(comment, text or "", scores[ATTRIBUTE], scores.get(SPOILT, 0.0))
    best = [one for one in found.values() if featured or one.spoilt < 0.5]
    return sorted(best, key=lambda one: (-one.score, one.comment.id))[:limit]
