"""Readers' reports of comments: filed, merged into cases, taken back.

A comment is never hidden by reports, whatever their number. Once a moderator has kept a wording, more reports of it
are recorded and open a case again only if they are evidence that was not there before: by AGAIN readers who have not
reported it yet, or with a notice of illegal content, which has to be decided on each time. A new wording starts anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import sqlalchemy
from pydantic import Field, StrictInt, ValidationInfo, field_validator
from sqlalchemy import Table, and_, bindparam, func, null, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from serving import triage
from serving.moderation import cases, comments, sites
from serving.moderation.notices import Notice
from serving.moderation.problems import invalid
from serving.moderation.submissions import OutsideId, Part, When
from serving.moderation.tables import Author, Case, Comment, Decision, Report, Reporter, Site
from serving.store import Moment

MAX_DETAILS = 500  # characters
AGAIN = 5  # readers
HOUR = timedelta(hours=1)

# What a page can show. received: somebody will look. already_reported: by this reader, for this reason. kept, removed:
# that was decided, or the comment is gone.
ReportState = Literal["received", "already_reported", "kept", "removed"]


class LimitError(Exception):
    """A reader has reported as much as the site allows in an hour. `retry_after`: whole seconds until there is room."""

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(f"A reader may report {most} times an hour on this site.")
        self.retry_after = retry_after


class ReporterPart(Part):
    """Who reports. `id` is opaque, and not to be guessed by others: who knows it can take the reports back."""

    id: OutsideId
    account_created_at: When | None = None


class Filing(Part):
    """One reader's report of a comment. Without `revision` it is of the present wording."""

    reporter: ReporterPart
    reason: triage.Reason
    details: str | None = Field(None, max_length=MAX_DETAILS, description="in the reader's words")
    revision: StrictInt | None = Field(None, ge=1, le=2**31 - 1)
    notice: Notice | None = Field(
        None, validate_default=True, description="needed with the reason illegal, and for no other"
    )

    @field_validator("notice", mode="after")
    @classmethod
    def _noticed(cls, notice: Notice | None, info: ValidationInfo) -> Notice | None:
        if "reason" in info.data and (info.data["reason"] == "illegal") != (notice is not None):
            raise ValueError("expected with the reason illegal, and only with that")
        return notice


@dataclass(frozen=True, slots=True)
class Reader:
    """A reporter's row, and whether this report made it."""

    id: int
    made: bool


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a report. `case`: None if the comment was gone before anybody reported it. `opened`: by it."""

    state: ReportState
    case: str | None = None
    opened: bool = False


def file(session: Session, site_id: str, comment_id: str, filing: Filing, now: datetime, *, believed: bool) -> Filed:
    """Records a report of a comment, by the id that its system gave; the same again changes nothing. `believed`: the
    caller is the comment system, so that the age of the reader's account is as it says; what a page says of it could
    be anybody's invention.

    Raises SiteError, LimitError, and ModerationError for a comment or a revision that is not there. The session must be
    a writing one.
    """
    place = _place(session, site_id, comment_id)
    number = filing.revision or place.revision
    if number > place.revision:
        raise invalid("revision", f"the comment has {place.revision}")
    reader, known = _reader(session, site_id, place.id, number, filing, now, believed)
    if place.state == "rejected" or place.deleted_at:
        return Filed("removed", known.case_id if known else None)
    if known and known.withdrawn_at is None:
        decided = _became(known.upheld) or (None if place.case_id else _kept(session, place.id, number))
        return Filed(decided or "already_reported", known.case_id)
    if known and known.upheld is not None:  # taken back after it was decided on: it stays decided
        return Filed(_became(known.upheld) or "received", known.case_id)
    if known is None and not reader.made:
        _within_limit(session, site_id, reader.id, now)
    state: ReportState = "received"
    case, opened = str(place.case_id), False
    if place.case_id is None:
        case, opened, state = _case(session, place.id, number, place.revision, reader.id, filing, now)
    values: dict[str, Any] = {"case_id": case, "withdrawn_at": None}
    if filing.details or known is None:
        values["details"] = filing.details
    if filing.notice:
        values["notice"] = filing.notice.model_dump(mode="json", exclude_none=True)
    if known:
        session.execute(update(Report).where(Report.id == known.id).values(**values))
    else:
        values |= {"reporter_id": reader.id, "comment_id": place.id, "revision": number, "reason": filing.reason}
        session.connection().execute(NEW_REPORT, values | {"at": now, "notice": values.get("notice", null())})
    session.connection().execute(TOUCHED, {"site": site_id, "now": now})
    return Filed(state, case, opened)


def withdraw(
    session: Session, site: Site, comment: Comment, reporter_id: str, reason: triage.Reason | None, now: datetime
) -> int:
    """Takes a reader's reports of a comment back, of one reason or (None) all; how many. Decided ones stay as they
    are. Filed again, a report has the moment that it was first filed at.
    """
    wanted = (
        select(Report)
        .join(Reporter)
        .where(
            Reporter.site_id == site.id,
            Reporter.external_id == reporter_id,
            Report.comment_id == comment.id,
            Report.withdrawn_at.is_(None),
            Report.upheld.is_(None),
        )
    )
    if reason:
        wanted = wanted.where(Report.reason == reason)
    found = session.scalars(wanted.with_for_update(of=Report)).all()
    for report in found:
        report.withdrawn_at = now
    if found:
        session.flush()
        sites.touch(site)
    return len(found)


def _place(session: Session, site_id: str, comment_id: str) -> Any:
    """The comment's row, locked, with the id of its open case: what others decide on it at this moment comes before
    or after. Raises SiteError, ModerationError.
    """
    found = session.connection().execute(PLACE, {"site": site_id, "comment": comment_id}).first()
    if found is None:
        comments.find(session, sites.find(session, site_id).id, comment_id)
        raise AssertionError("a comment that was found now was not there before")
    return found


def _reader(
    session: Session, site_id: str, comment_id: int, number: int, filing: Filing, now: datetime, believed: bool
) -> tuple[Reader, Any]:
    """The reader's row, locked, so that a limit counts what others file at the same moment; and the same report, if
    there is one already.
    """
    session.flush()
    given = filing.reporter
    wanted = {
        "site": site_id, "reader": given.id, "comment": comment_id, "number": number, "reason": filing.reason
    }  # fmt: skip
    connection = session.connection()
    created = given.account_created_at if believed else None
    found = connection.execute(READER, wanted).first()
    if found is None:
        insert = NEW_READER[connection.dialect.name]
        made = connection.execute(insert, {"site": site_id, "reader": given.id, "created": created, "now": now}).first()
        if made:
            return Reader(made.id, True), None
        found = connection.execute(READER, wanted).one()  # somebody else made it at this moment
    if created and found.account_created_at is None:
        session.execute(update(Reporter).where(Reporter.id == found.reporter_id).values(account_created_at=created))
    return Reader(found.reporter_id, False), found if found.id is not None else None


def _within_limit(session: Session, site_id: str, reader: int, now: datetime) -> None:
    most = sites.settings(sites.find(session, site_id)).reports_per_hour
    wanted = select(Report.at).where(Report.reporter_id == reader, Report.at > now - HOUR)
    last = session.scalars(wanted.order_by(Report.at.desc()).offset(most - 1).limit(1)).first()
    if last is not None:
        raise LimitError(most, max(1, math.ceil((last + HOUR - now).total_seconds())))


def _became(upheld: bool | None) -> ReportState | None:
    if upheld is None:
        return None
    return "removed" if upheld else "kept"


def _kept(session: Session, comment_id: int, revision: int) -> ReportState | None:
    return "kept" if _keeping(session, comment_id, revision) else None


def _keeping(session: Session, comment_id: int, revision: int) -> Decision | None:
    """A person's decision by which this wording stands; None if there is none."""
    wanted = select(Decision).where(
        Decision.comment_id == comment_id,
        Decision.revision == revision,
        Decision.actor != "policy",
        Decision.action != "escalate",
        Decision.undone_at.is_(None),
    )
    last = session.scalars(wanted.order_by(Decision.at.desc(), Decision.id).limit(1)).first()
    return last if last and (last.action in ("keep", "feature") or last.overturned_at) else None


def _case(
    session: Session, comment_id: int, revision: int, present: int, reader: int, filing: Filing, now: datetime
) -> tuple[str, bool, ReportState]:
    """The case that a report of a comment without an open one belongs to, whether it was opened for it, and what to
    tell the reader. `present`: the revision that stands; if a person kept it, older ones need no look either.
    """
    comment = session.get_one(Comment, comment_id)
    closed = cases.last(session, comment_id)
    if closed is None or not any(_keeping(session, comment_id, number) for number in {revision, present}):
        case, opened = cases.opened(session, comment, "report", now)
        return case.id, opened, "received"
    # Readers who have reported this wording since, and had not before.
    waiting: list[Any] = [
        Report.comment_id == comment_id,
        Report.revision == revision,
        Report.withdrawn_at.is_(None),
        Report.upheld.is_(None),
    ]
    before = select(Report.reporter_id).where(
        Report.comment_id == comment_id, Report.revision == revision, Report.upheld.is_not(None)
    )
    others = [*waiting, Report.reporter_id != reader, Report.reporter_id.not_in(before)]
    count = session.scalar(select(func.count(Report.reporter_id.distinct())).where(*others)) or 0
    heard = session.scalars(before.where(Report.reporter_id == reader).limit(1)).first() is not None
    if filing.notice is None and count + (not heard) < AGAIN:
        return closed.id, False, "kept"
    case, opened = cases.opened(session, comment, "report", now)
    session.execute(update(Report).where(*waiting).values(case_id=case.id))
    return case.id, opened, "received"


# Statements of every report, built once and executed without the mapper: twice the reports in the same time.
_comments, _cases, _reporters, _reports, _authors, _sites = (
    cast(Table, kind.__table__) for kind in (Comment, Case, Reporter, Report, Author, Site)
)
PLACE = (
    select(*_comments.c["id", "state", "deleted_at", "revision"], _cases.c.id.label("case_id"))
    .outerjoin(_cases, and_(_cases.c.comment_id == _comments.c.id, _cases.c.closed_at.is_(None)))
    .where(_comments.c.site_id == bindparam("site"), _comments.c.external_id == bindparam("comment"))
    .with_for_update(of=_comments)
)
READER = (
    select(
        _reporters.c.id.label("reporter_id"),
        _reporters.c.account_created_at,
        *_reports.c["id", "case_id", "withdrawn_at", "upheld"],
    )
    .outerjoin(
        _reports,
        and_(
            _reports.c.reporter_id == _reporters.c.id,
            _reports.c.comment_id == bindparam("comment"),
            _reports.c.revision == bindparam("number"),
            _reports.c.reason == bindparam("reason"),
        ),
    )
    .where(_reporters.c.site_id == bindparam("site"), _reporters.c.external_id == bindparam("reader"))
    .with_for_update(of=_reporters)
)
# Of readers who comment themselves, the comment system has told how old their account is.
_told = (
    select(_authors.c.account_created_at)
    .where(_authors.c.site_id == bindparam("site"), _authors.c.external_id == bindparam("reader"))
    .scalar_subquery()
)
NEW_READER = {
    name: insert(_reporters)
    .values(
        site_id=bindparam("site"),
        external_id=bindparam("reader"),
        account_created_at=func.coalesce(bindparam("created", type_=Moment), _told),
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=["site_id", "external_id"])
    .returning(_reporters.c.id)
    for name, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
NEW_REPORT = sqlalchemy.insert(_reports)
TOUCHED = update(_sites).where(_sites.c.id == bindparam("site")).values(touched_at=bindparam("now"))
