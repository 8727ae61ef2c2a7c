"""A small moderated site, written straight into the tables: what tests of the loop start from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation.tables import Author, Comment, Decision, Revision, RevisionScores, Site, Story
from serving.store import now

_numbers = count(1)


def site(session: Session, name: str = "demo") -> Site:
    found = session.get(Site, name)
    if found is None:
        found = Site(id=name, name=name.title())
        session.add(found)
        session.flush()
    return found


def comment(
    session: Session,
    text: str | None,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    *,
    story: str = "s",
    author: str | None = None,
    on: str = "demo",
) -> Comment:
    """A comment with its scores by model."""
    place = site(session, on).id
    number = next(_numbers)
    written = session.scalars(select(Story).where(Story.site_id == place, Story.external_id == story)).first()
    who = author or f"a{number}"
    known = session.scalars(select(Author).where(Author.site_id == place, Author.external_id == who)).first()
    made = Comment(
        site_id=place,
        external_id=f"c{number}",
        story=written or Story(site_id=place, external_id=story),
        author=known or Author(site_id=place, external_id=who),
    )
    revision = Revision(number=1, text=text)
    revision.scores = [RevisionScores(model=model, scores=dict(values)) for model, values in (scores or {}).items()]
    made.revisions = [revision]
    session.add(made)
    session.flush()
    return made


def decision(
    session: Session, on: Comment, action: str, reason: str | None = None, *, at: datetime | None = None,
    bulk: str | None = None,
) -> Decision:  # fmt: skip
    """A moderator's decision, at a moment of its own."""
    made = Decision(
        site_id=on.site_id, comment_id=on.id, revision=on.revision, actor="moderator", action=action, reason=reason,
        bulk_id=bulk, at=at or now() + timedelta(microseconds=next(_numbers)),
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made
