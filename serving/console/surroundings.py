"""What stands around a comment: its thread, its author's record, and decided comments that are like it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, joinedload

from serving.console import likeness
from serving.moderation.tables import Appeal, Author, Comment, Decision, Revision

ABOVE, BELOW = 4, 6  # comments of a thread that are shown above and below
LOOKED_AT = 300  # of a site's latest decisions, for those alike
ALIKE = 0.08  # mean difference of scores up to which two comments are called alike
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A comment near another one. `text` is None where none is kept."""

    comment: Comment
    text: str | None


@dataclass(frozen=True, slots=True)
class Thread:
    """What a comment answers, the first one first, and what answers it. `beyond`: it answers one that is not known."""

    above: Sequence[Neighbour]
    below: Sequence[Neighbour]
    beyond: bool


@dataclass(frozen=True, slots=True)
class AuthorRecord:
    """An author's comments on this site, and how appeals against removals ended."""

    comments: int
    held: int
    removed: int
    featured: int
    appeals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Precedent:
    """A moderator's decision on another comment. `why` says in which way it is like this one."""

    decision: Decision
    text: str | None
    why: str


def thread(session: Session, comment: Comment) -> Thread:
    """The comments above and below, as far as they are known."""
    above: list[Comment] = []
    parent, seen = comment.parent_external_id, {comment.external_id}
    while parent is not None and parent not in seen and len(above) < ABOVE:
        seen.add(parent)
        found = session.scalars(
            select(Comment)
            .where(Comment.site_id == comment.site_id, Comment.external_id == parent)
            .options(joinedload(Comment.author))
        ).first()
        if found is None:
            break
        above.append(found)
        parent = found.parent_external_id
    below: Sequence[Comment] = ()
    if comment.story_id is not None:  # by the story, which there is an index of
        below = session.scalars(
            select(Comment)
            .where(Comment.story_id == comment.story_id, Comment.parent_external_id == comment.external_id)
            .options(joinedload(Comment.author))
            .order_by(Comment.posted_at, Comment.id)
            .limit(BELOW)
        ).all()
    texts = texts_of(session, [one.id for one in (*above, *below)])
    beyond = parent is not None and parent not in seen
    return Thread(
        [Neighbour(one, texts.get(one.id)) for one in reversed(above)],
        [Neighbour(one, texts.get(one.id)) for one in below],
        beyond,
    )


def record(session: Session, author: Author) -> AuthorRecord:
    """An author's record."""
    counts = session.execute(
        select(
            func.count(),
            func.count(case((Comment.state == "held", 1))),
            func.count(case((Comment.state == "rejected", 1))),
            func.count(case((Comment.featured, 1))),
        ).where(Comment.author_id == author.id)
    ).one()
    appealed = session.execute(
        select(Appeal.state, func.count())
        .join(Decision, Decision.id == Appeal.decision_id)
        .join(Comment, Comment.id == Decision.comment_id)
        .where(Comment.author_id == author.id)
        .group_by(Appeal.state)
    )
    return AuthorRecord(*counts, appeals=dict(appealed.all()))


def precedents(
    session: Session, comment: Comment, text: str | None, scores: Mapping[str, float] | None
) -> list[Precedent]:
    """What moderators decided on others: the author's latest, then of the latest those in much the same words, then
    those with nearly the same scores.

    A likeness of words or scores is not one of meaning, and is not called so.
    """
    decided = (
        select(Decision)
        .where(
            Decision.site_id == comment.site_id,
            Decision.comment_id != comment.id,
            Decision.actor.in_(("moderator", "key")),
            Decision.action.in_(("keep", "remove", "feature")),
            Decision.undone_at.is_(None),
        )
        .options(joinedload(Decision.comment).joinedload(Comment.author))
        .order_by(Decision.at.desc(), Decision.id)
    )
    found: dict[int, tuple[Decision, str]] = {}
    if comment.author_id is not None:
        own = decided.join(Decision.comment).where(Comment.author_id == comment.author_id).limit(SHOWN)
        found = {each.comment_id: (each, "same author") for each in session.scalars(own)}
    latest = session.scalars(decided.limit(LOOKED_AT)).all()
    if text:
        said = texts_of(session, {one.comment_id for one in latest})
        newest = {one.comment_id: one for one in reversed(latest)}
        for like in likeness.alike(text, {number: said[number] for number in newest if number in said})[:SHOWN]:
            found.setdefault(like.key, (newest[like.key], like.why))
    if scores:
        near = sorted((gap, place) for place, one in enumerate(latest) if (gap := _gap(scores, one.scores)) <= ALIKE)
        for gap, place in near[:SHOWN]:
            one = latest[place]
            story = ", same story" if one.comment.story_id and one.comment.story_id == comment.story_id else ""
            found.setdefault(one.comment_id, (one, f"scores differ by {gap:.2f} on average{story}"))
    texts = texts_of(session, found)
    return [Precedent(decision, texts.get(number), why) for number, (decision, why) in found.items()]


def texts_of(session: Session, comments: Collection[int]) -> dict[int, str]:
    """The present wordings of comments, by the comment's row id; those that are kept."""
    wanted = (
        select(Comment.id, Revision.text)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .where(Comment.id.in_(comments), Revision.text.is_not(None))
    )
    return {number: text for number, text in session.execute(wanted) if text is not None}


def wordings(session: Session, comment: Comment) -> list[Revision]:
    """Earlier wordings of a comment, the latest first."""
    wanted = select(Revision).where(Revision.comment_id == comment.id, Revision.number < comment.revision)
    return list(session.scalars(wanted.order_by(Revision.number.desc())))


def _gap(one: Mapping[str, float], other: Mapping[str, float] | None) -> float:
    """The mean difference of the scores that both have; 1 if they have none in common."""
    common = [name for name in one if name in (other or {})]
    return sum(abs(one[name] - (other or {})[name]) for name in common) / len(common) if common else 1.0
