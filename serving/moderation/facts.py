"""What is known about a comment besides its scores, for the site's policy: of its author, its story, its links."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving.moderation.submissions import Submission
from serving.moderation.tables import Author, Comment, Story
from serving.policy import AuthorFacts, Facts, StoryFacts, count_links


def of(session: Session, site_id: str, external_id: str, submission: Submission, now: datetime) -> Facts:
    """The facts of a comment that is sent, before it counts itself."""
    story = submission.story
    return Facts(
        section=submission.in_section or _known_section(session, site_id, submission),
        author=_author(session, site_id, external_id, submission, now),
        story=_story(session, site_id, external_id, submission, now) if story else StoryFacts(),
        links=count_links(submission.text),
        first_attempt=submission.nudge,
    )


def _known_section(session: Session, site_id: str, submission: Submission) -> str | None:
    if submission.story is None:
        return None
    wanted = select(Story.section).filter_by(site_id=site_id, external_id=submission.story.id)
    return session.scalars(wanted).first()


def _author(session: Session, site_id: str, external_id: str, submission: Submission, now: datetime) -> AuthorFacts:
    given = submission.author
    if given is None:
        return AuthorFacts()
    known = session.scalars(select(Author).filter_by(site_id=site_id, external_id=given.id)).first()
    created = given.account_created_at or (known.account_created_at if known else None)
    days = max(0.0, (now - created) / timedelta(days=1)) if created else None
    if known is None:
        return AuthorFacts(0, 0, days, given.role)
    others = (Comment.author_id == known.id, Comment.external_id != external_id)
    comments = session.scalar(select(func.count()).select_from(Comment).where(*others)) or 0
    rejected = (
        session.scalar(select(func.count()).select_from(Comment).where(*others, Comment.state == "rejected")) or 0
    )
    return AuthorFacts(comments, rejected, days, given.role)


def _story(session: Session, site_id: str, external_id: str, submission: Submission, now: datetime) -> StoryFacts:
    given = submission.story
    assert given
    known = session.scalars(select(Story).filter_by(site_id=site_id, external_id=given.id)).first()
    published = given.published_at or (known.published_at if known else None)
    hours = max(0.0, (now - published) / timedelta(hours=1)) if published else None
    if known is None:
        return StoryFacts(hours, 0, given.premoderated)
    others = (Comment.story_id == known.id, Comment.external_id != external_id)
    comments = session.scalar(select(func.count()).select_from(Comment).where(*others)) or 0
    return StoryFacts(hours, comments, given.premoderated)
