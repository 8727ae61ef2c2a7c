"""Which comments would teach most if a moderator decided them: active learning over what is stored.

A comment teaches where the model does not know (its score is near one half: uncertainty sampling, Lewis and Gale 1994),
and where the live model and the candidate disagree (query by committee, Seung et al. 1992). One of each story and
author, so that a thread does not fill the list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from serving.learning.agreement import ATTRIBUTE
from serving.learning.labels import stands
from serving.moderation.tables import Comment, Decision, Revision, RevisionScores

RECENT = 2000  # newest undecided comments that are looked at


@dataclass(frozen=True)
class Lesson:
    """An undecided comment, its score by the live model and the candidate (None: there is none), and what it teaches:
    from 0, nothing, up to 2 bits.
    """

    comment: Comment
    score: float
    other: float | None
    worth: float

    @property
    def words(self) -> str:
        """Why it is offered."""
        unsure = f"the model gives {self.score:.2f}"
        return unsure if self.other is None else f"{unsure}, the candidate {self.other:.2f}"


def lessons(
    session: Session, sites: list[str], live: str, candidate: str | None = None, limit: int = 20
) -> list[Lesson]:
    """The comments of the sites that no moderator has decided yet and that would teach most, best first."""
    one, other = aliased(RevisionScores), aliased(RevisionScores)
    decided = exists().where(Decision.comment_id == Comment.id, *stands(Decision))
    chosen = (
        select(Comment, one.scores, other.scores)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .join(one, (one.revision_id == Revision.id) & (one.model == live))
        .outerjoin(other, (other.revision_id == Revision.id) & (other.model == (candidate or "")))
        .where(Comment.site_id.in_(sites), Revision.text.is_not(None), ~decided)
        .order_by(Comment.id.desc())
        .limit(RECENT)
    )
    found = [_lesson(comment, mine, theirs) for comment, mine, theirs in session.execute(chosen) if ATTRIBUTE in mine]
    found.sort(key=lambda lesson: (-lesson.worth, lesson.comment.id))
    seen: set[tuple[str, Any]] = set()
    apart = []
    for lesson in found:
        ties = {(kind, tie) for kind in ("story_id", "author_id") if (tie := getattr(lesson.comment, kind)) is not None}
        if not ties & seen:
            apart.append(lesson)
            seen |= ties
    rest = [lesson for lesson in found if lesson not in apart]
    return (apart + rest)[:limit]


def _lesson(comment: Comment, mine: dict[str, float], theirs: dict[str, float] | None) -> Lesson:
    score, other = mine[ATTRIBUTE], (theirs or {}).get(ATTRIBUTE)
    if other is None:
        return Lesson(comment, score, None, entropy(score))
    mean = (score + other) / 2
    # Entropy of what the two say together, and again the part of it that is their disagreement (Jensen-Shannon).
    return Lesson(comment, score, other, 2 * entropy(mean) - (entropy(score) + entropy(other)) / 2)


def entropy(probability: float) -> float:
    """Bits that a decision with this probability tells, 0..1."""
    if not 0 < probability < 1:
        return 0.0
    return -probability * math.log2(probability) - (1 - probability) * math.log2(1 - probability)
