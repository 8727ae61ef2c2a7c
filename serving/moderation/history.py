"""Stored comments, as policies are tested on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Function, Over, Select, and_, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from serving.moderation.tables import Author, Comment, Decision, Revision, RevisionScores, Story
from serving.policy import AuthorFacts, Facts, StoryFacts, count_links
from serving.policy.backtest import Row, Verdict
from serving.policy.facts import FactError

PAGE = 500  # comments read at a time
VERDICTS: tuple[Verdict, ...] = ("keep", "remove", "feature")


def rows(session: Session, site: str, *, limit: int = 10_000) -> Iterator[Row]:
    """A site's comments, the latest posted first, at most `limit`, each in its current wording; without those that
    their authors took back.

    Scores are the latest of a model that is not in shadow; none, if it has not been scored. Facts are those that the
    policy was given for this wording, where it was asked; else counted from the comments posted before. The verdict is
    the latest of a moderator on this wording that was not undone; a removal that was overturned counts as kept.
    """
    found = iter(session.execute(_counted(site, limit)).yield_per(PAGE))
    while page := list(islice(found, PAGE)):
        scores = _scores(session, [row.Revision.id for row in page if row.Revision is not None])
        decisions = _decisions(session, [row.Comment.id for row in page])
        for row in page:
            comment, revision = row.Comment, row.Revision
            made = [one for one in decisions.get(comment.id, ()) if one.revision == comment.revision]
            text = revision.text if revision else None
            yield Row(
                id=comment.external_id,
                scores=scores.get(revision.id, {}) if revision else {},
                facts=_given(made) or _facts(row, text),
                text=text,
                state=comment.state,
                verdict=_verdict(made),
            )


def _counted(site: str, limit: int) -> Select[Any]:
    """Comments with their story, author, current revision, and what was there before them."""
    rejected = case((Comment.state == "rejected", 1), else_=0)
    counts = (
        select(
            Comment.id,
            _before(func.count(), Comment.author_id).label("by_author"),
            _before(func.sum(rejected), Comment.author_id).label("rejected"),
            _before(func.count(), Comment.story_id).label("on_story"),
        )
        .where(Comment.site_id == site)
        .subquery()
    )
    return (
        select(Comment, Story, Author, Revision, counts.c.by_author, counts.c.rejected, counts.c.on_story)
        .join(counts, counts.c.id == Comment.id)
        .outerjoin(Story, Story.id == Comment.story_id)
        .outerjoin(Author, Author.id == Comment.author_id)
        .outerjoin(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(Comment.deleted_at.is_(None))
        .order_by(Comment.posted_at.desc(), Comment.id.desc())
        .limit(limit)
    )


def _before(what: Function[int], owner: InstrumentedAttribute[int | None]) -> Over[int]:
    """A count over what the same author posted, or was posted on the same story, before each comment."""
    return what.over(partition_by=owner, order_by=(Comment.posted_at, Comment.id), rows=(None, -1))


def _facts(row: Any, text: str | None) -> Facts:
    comment, story, author = row.Comment, row.Story, row.Author
    return Facts(
        section=story.section if story else None,
        author=AuthorFacts(
            row.by_author if author else None,
            (row.rejected or 0) if author else None,
            _days(author.account_created_at if author else None, comment.posted_at),
        ),
        story=StoryFacts(
            _hours(story.published_at if story else None, comment.posted_at), row.on_story if story else None
        ),
        links=None if text is None else count_links(text),
    )


def _given(decisions: Iterable[Decision]) -> Facts | None:
    """The facts that the latest decision of a policy was given."""
    for decision in decisions:
        if decision.actor == "policy" and decision.rule and isinstance(decision.rule.get("facts"), dict):
            try:
                return Facts.of(decision.rule["facts"])
            except FactError:  # of a version that recorded otherwise
                return None
    return None


def _verdict(decisions: Iterable[Decision]) -> Verdict | None:
    for decision in decisions:
        if decision.actor != "moderator" or decision.undone_at is not None:
            continue
        for verdict in VERDICTS:
            if decision.action == verdict:
                return "keep" if decision.overturned_at is not None and verdict == "remove" else verdict
    return None


def _scores(session: Session, revisions: list[int]) -> dict[int, dict[str, float]]:
    """The latest scores of each revision; a later row goes before."""
    statement = select(RevisionScores.revision_id, RevisionScores.scores).where(
        RevisionScores.revision_id.in_(revisions), RevisionScores.shadow.is_(False)
    )
    return {row.revision_id: row.scores for row in session.execute(statement.order_by(RevisionScores.id))}


def _decisions(session: Session, comments: list[int]) -> dict[int, list[Decision]]:
    """The decisions on each comment, the latest first."""
    found: dict[int, list[Decision]] = {}
    statement = select(Decision).where(Decision.comment_id.in_(comments)).order_by(Decision.at.desc())
    for decision in session.scalars(statement):
        found.setdefault(decision.comment_id, []).append(decision)
    return found


def _days(since: datetime | None, until: datetime) -> float | None:
    return None if since is None else max(0.0, (until - since).total_seconds() / 86_400)


def _hours(since: datetime | None, until: datetime) -> float | None:
    return None if since is None else max(0.0, (until - since).total_seconds() / 3600)
