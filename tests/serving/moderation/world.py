"""A small publication, made of rows: what intake writes when a comment system sends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from serving.moderation import sites
from serving.moderation.sites import SiteSettings
from serving.moderation.tables import (
    Author,
    Case,
    Comment,
    Moderator,
    Report,
    Reporter,
    Revision,
    RevisionScores,
    Site,
    State,
    Story,
)
from serving.store import Store, now

TEXT = "You absolute clown, resign."
_numbers = count(1)


@dataclass(frozen=True)
class World:
    """A site in a store."""

    store: Store
    site: str = "daily"

    @classmethod
    def made(cls, store: Store, site: str = "daily", **settings: Any) -> World:
        with store.writing() as session:
            sites.put(session, site, "The Daily Example", SiteSettings(**settings), "command")
            session.add(Story(site_id=site, external_id="s1", title="Council closes the road", section="politics"))
        return cls(store, site)

    def moderator(self, name: str = "", role: str = "moderator", only: tuple[str, ...] = ()) -> int:
        with self.store.writing() as session:
            row = Moderator(name=name or f"m{next(_numbers)}", password_hash="", role=role, sites=list(only))
            session.add(row)
            session.flush()
            return row.id

    def comment(
        self,
        external: str = "",
        *,
        author: str = "ann",
        text: str = TEXT,
        state: State = "published",
        score: float = 0.8,
    ) -> str:
        """A scored comment; its id."""
        external = external or f"c{next(_numbers)}"
        with self.store.writing() as session:
            who = session.query(Author).filter_by(site_id=self.site, external_id=author).one_or_none()
            who = who or Author(site_id=self.site, external_id=author, name=author.title())
            story = session.query(Story).filter_by(site_id=self.site).one_or_none()
            row = Comment(site_id=self.site, external_id=external, state=state, author=who, story=story)
            revision = Revision(number=1, text=text, digest=b"0" * 32, language="en")
            scores = {"report_worthy": score, "incivility": score, "constructive": 1 - score}
            revision.scores.append(RevisionScores(model="evenhand-minilm 0.2.0", scores=scores))
            row.revisions.append(revision)
            session.add(row)
        return external

    def report(
        self, comment: str, reporter: str = "rita", reason: str = "abusive", revision: int = 1, **more: Any
    ) -> str:
        """A report of a comment, in its open case or a new one; the case's id."""
        with self.store.writing() as session:
            row = self.row(session, comment)
            who = session.query(Reporter).filter_by(site_id=row.site_id, external_id=reporter).one_or_none()
            who = who or Reporter(site_id=row.site_id, external_id=reporter)
            case = session.query(Case).filter_by(comment_id=row.id, closed_at=None).one_or_none()
            if case is None:
                features = {"text": 1.0, "fit": 0.1, "reports": 0.7}
                case = Case(site_id=row.site_id, comment_id=row.id, origin="report", log_odds=1.8, features=features)
            session.add_all([who, case])
            session.flush()
            session.add(Report(case=case, comment_id=row.id, revision=revision, reporter=who, reason=reason, **more))
            return case.id

    def case(self, comment: str = "", *reporters: str, **more: Any) -> str:
        """A comment that is reported; the id of its case."""
        external = self.comment(comment, **more)
        for reporter in reporters or ("rita",):
            case = self.report(external, reporter)
        return case

    def claim(self, case: str, moderator: int, seconds: float = 600) -> None:
        with self.store.writing() as session:
            row = session.get_one(Case, case)
            row.claimed_by, row.leased_until = moderator, now() + timedelta(seconds=seconds)

    def row(self, session: Session, comment: str) -> Comment:
        return session.query(Comment).filter_by(site_id=self.site, external_id=comment).one()

    def site_row(self, session: Session) -> Site:
        return session.get_one(Site, self.site)
