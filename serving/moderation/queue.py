"""The queue of open cases, likeliest to be upheld first: read in pages, claimed so that two people never get the same.

A claim is a lease: it ends by itself after the site's `lease_seconds`, unless its holder decides or releases first.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import Session, contains_eager, joinedload

from serving.moderation import decisions, moderators, sites
from serving.moderation.decisions import By
from serving.moderation.problems import missing
from serving.moderation.ranking import Ranker, fit, rank
from serving.moderation.tables import Case, Comment, Moderator, Origin, Report, Revision, RevisionScores, Site, Story

__all__ = ["Cursor", "CursorError", "Filters", "Page", "Ranker", "claim", "fit", "next_case", "page", "rank", "release"]

MOST = 200  # cases of one page
ID = re.compile("[0-9a-f]{16}")


class CursorError(ValueError):
    """A cursor is none that a page gave."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a case in the queue: a page goes on after it, wherever other cases have moved since."""

    log_odds: float
    opened_at: datetime
    case: str

    def __str__(self) -> str:
        content = json.dumps([self.log_odds, self.opened_at.isoformat(), self.case], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, case: Case) -> Cursor:
        """A case's place."""
        return cls(case.log_odds, case.opened_at, case.id)

    @classmethod
    def read(cls, written: str) -> Cursor:
        """The cursor that was written so. Raises CursorError."""
        try:
            log_odds, opened_at, case = json.loads(base64.urlsafe_b64decode(written + "=" * (-len(written) % 4)))
            moment = datetime.fromisoformat(opened_at).astimezone(UTC)
            if type(log_odds) is not float or type(case) is not str or "\0" in case:
                raise ValueError
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise CursorError("cursor: expected one that a page gave") from None
        return cls(log_odds, moment, case)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which cases: all conditions that are not None must hold.

    reason: a standing report states it. attribute, at_least: the text's score of it is at least that, 0..1.
    claimed: whether somebody holds it now.
    """

    section: str | None = None
    reason: str | None = None
    attribute: str | None = None
    at_least: float = 0.0
    origin: Origin | None = None
    escalated: bool | None = None
    claimed: bool | None = None

    def conditions(self, now: datetime) -> list[ColumnElement[bool]]:
        """The same as SQL, on Case joined with Comment."""
        found: list[ColumnElement[bool]] = []
        if self.section is not None:
            story = select(Story.id).where(Story.id == Comment.story_id, Story.section == self.section)
            found.append(story.exists())
        if self.reason is not None:
            standing = select(Report.id).where(
                Report.case_id == Case.id, Report.reason == self.reason, Report.withdrawn_at.is_(None)
            )
            found.append(standing.exists())
        if self.attribute is not None:
            found.append(_score(self.attribute) >= self.at_least)
        if self.origin is not None:
            found.append(Case.origin == self.origin)
        if self.escalated is not None:
            found.append(Case.escalated.is_(self.escalated))
        if self.claimed is not None:
            found.append(Case.leased_until > now if self.claimed else _free(now))
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Cases in order, with their comments, stories and authors loaded; `cursor` of the next page, None at the end."""

    cases: Sequence[Case]
    cursor: str | None


def page(
    session: Session, site_ids: Collection[str], filters: Filters, cursor: str | None, limit: int, now: datetime
) -> Page:
    """Open cases of the sites. Raises CursorError.

    A case that nothing changed is on exactly one of the pages that follow one another. `limit`: 1 to MOST.
    """
    statement = _open(site_ids, filters, now).options(
        contains_eager(Case.comment).options(joinedload(Comment.story), joinedload(Comment.author))
    )
    if cursor is not None:
        after = Cursor.read(cursor)
        same = Case.log_odds == after.log_odds
        moment = Case.opened_at == after.opened_at
        statement = statement.where(or_(
            Case.log_odds < after.log_odds,
            and_(same, Case.opened_at > after.opened_at),
            and_(same, moment, Case.id > after.case),
        ))  # fmt: skip
    found: Sequence[Case] = session.scalars(statement.limit(limit + 1)).all()
    more = len(found) > limit
    return Page(found[:limit], str(Cursor.of(found[limit - 1])) if more else None)


def find(session: Session, case_id: str) -> Case:
    """A case by its id. Raises ModerationError unknown_case."""
    found = session.get(Case, case_id) if ID.fullmatch(case_id) else None
    if found is None:
        raise missing("case")
    return found


def claim(session: Session, case_id: str, moderator_id: int, now: datetime) -> bool:
    """Claims an open case for a moderator, or makes the moderator's own lease last longer; False if it is another's or
    closed. The session must be a writing one. Raises ModerationError if there is no such case, or the moderator may
    not decide it.
    """
    case = find(session, case_id)
    decisions.admit(session, By("moderator", moderator_id), case.site_id, case)
    until = now + timedelta(seconds=sites.settings(session.get_one(Site, case.site_id)).lease_seconds)
    mine = or_(_free(now), Case.claimed_by == moderator_id)
    return _set(session, case_id, mine, moderator_id, until)


def release(session: Session, case_id: str, moderator_id: int) -> bool:
    """Ends a moderator's own lease; False if the case is not the moderator's."""
    return _set(session, case_id, Case.claimed_by == moderator_id, None, None)


def next_case(
    session: Session,
    site_ids: Collection[str],
    moderator_id: int,
    filters: Filters,
    now: datetime,
    skip: Collection[str] = (),
) -> Case | None:
    """The first case in the queue that nobody holds, claimed for the moderator; None if there is none. `skip`: ids of
    cases that the moderator has passed over. Whoever asks at the same moment gets another one. Of sites that the
    moderator does not work on, and escalated ones if it takes an editor, there are none.
    """
    moderator = session.get_one(Moderator, moderator_id)
    allowed = [site for site in site_ids if moderators.sees(moderator, site)]
    statement = _open(allowed, filters, now).where(_free(now))
    if moderator.role == "moderator":
        statement = statement.where(Case.escalated.is_(False))
    if skip:
        statement = statement.where(Case.id.not_in(skip))
    # PostgreSQL passes over what another one is just claiming; SQLite has one writer anyway.
    case: Case | None = session.scalars(statement.limit(1).with_for_update(of=Case, skip_locked=True)).first()
    if case is None or not claim(session, case.id, moderator_id, now):
        return None
    session.refresh(case)
    return case


def claimed_by(case: Case, now: datetime) -> int | None:
    """The moderator who holds a case now; None if nobody does."""
    return case.claimed_by if case.leased_until and case.leased_until > now else None


def _open(site_ids: Collection[str], filters: Filters, now: datetime) -> Select[Any]:
    statement = select(Case).join(Case.comment).where(Case.closed_at.is_(None), Case.site_id.in_(site_ids))
    return statement.where(*filters.conditions(now)).order_by(Case.log_odds.desc(), Case.opened_at, Case.id)


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(Case.leased_until.is_(None), Case.leased_until <= now)


def _score(attribute: str) -> ColumnElement[float]:
    """The score that counts, of a case's comment as it stands."""
    return (
        select(RevisionScores.scores[attribute].as_float())
        .join(Revision, Revision.id == RevisionScores.revision_id)
        .where(Revision.comment_id == Comment.id, Revision.number == Comment.revision, RevisionScores.shadow.is_(False))
        .order_by(RevisionScores.id.desc())
        .limit(1)
        .correlate(Comment)
        .scalar_subquery()
    )


def _set(
    session: Session, case_id: str, if_so: ColumnElement[bool], holder: int | None, until: datetime | None
) -> bool:
    # One statement that looks and writes: of two at the same moment the second sees what the first wrote.
    statement = update(Case).where(Case.id == case_id, Case.closed_at.is_(None), if_so)
    values = {"claimed_by": holder, "leased_until": until}
    done = session.execute(statement.values(**values).execution_options(synchronize_session=False))
    found: int = done.rowcount  # type: ignore[attr-defined]  # an update's result has one
    session.get(Case, case_id, populate_existing=True)
    return found > 0
