"""Readers' reports of comments: filed, merged into cases, taken back.

A comment is never hidden by reports, whatever their number. Once a moderator has kept a wording, more reports of it
are recorded and open a case again only if they are evidence that was not there before: by AGAIN readers who have not
reported it yet, or with a notice of illegal content, which has to be decided on each time. A new wording starts anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field, model_validator
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from serving import triage
from serving.moderation import cases, sites
from serving.moderation.notices import Notice
from serving.moderation.problems import invalid
from serving.moderation.rows import ensure
from serving.moderation.submissions import OutsideId, Part, When
from serving.moderation.tables import Author, Case, Comment, Decision, Report, Reporter, Site

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
    revision: int | None = Field(None, ge=1, le=2**31 - 1)
    notice: Notice | None = Field(None, description="needed with the reason illegal, and for no other")

    @model_validator(mode="after")
    def _noticed(self) -> Filing:
        if (self.reason == "illegal") != (self.notice is not None):
            raise ValueError("expected a notice with the reason illegal, and only with that")
        return self


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a report. `case`: None if the comment was gone before anybody reported it. `opened`: by it."""

    state: ReportState
    case: str | None = None
    opened: bool = False


def file(session: Session, site: Site, comment: Comment, filing: Filing, now: datetime, *, believed: bool) -> Filed:
    """Records a report; the same again changes nothing. `believed`: the caller is the comment system, so that the
    age of the reader's account is as it says; what a page says of it could be anybody's invention.

    Raises LimitError, and ModerationError for a revision that never was. The session must be a writing one.
    """
    session.refresh(comment, with_for_update=True)  # what others decide on it at this moment comes before or after
    number = filing.revision or comment.revision
    if number > comment.revision:
        raise invalid("revision", f"the comment has {comment.revision}")
    reporter = _reporter(session, site, filing.reporter, now, believed)
    key = {"reporter_id": reporter.id, "comment_id": comment.id, "revision": number, "reason": filing.reason}
    known = session.scalars(select(Report).filter_by(**key)).first()
    if comment.state == "rejected" or comment.deleted_at:
        return Filed("removed", known.case_id if known else None)
    if known and known.withdrawn_at is None:
        return Filed(_became(known) or _kept(session, comment, number) or "already_reported", known.case_id)
    if known is None:
        _within_limit(session, site, reporter, now)
    case, opened, state = _case(session, comment, number, reporter, filing, now)
    if known is None:
        known = Report(**key, at=now)
        session.add(known)
    elif known.upheld is not None:  # it was decided while it stood; to repeat it is no news
        known.withdrawn_at = None
        return Filed(_became(known) or "already_reported", known.case_id)
    known.case_id, known.withdrawn_at = case.id, None
    known.details = filing.details or known.details
    known.notice = filing.notice.model_dump(mode="json", exclude_none=True) if filing.notice else known.notice
    session.flush()
    sites.touch(site)
    return Filed(state, case.id, opened)


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


def _reporter(session: Session, site: Site, given: ReporterPart, now: datetime, believed: bool) -> Reporter:
    """The reader's row, locked, so that a limit counts what others file at the same moment."""
    row, made = ensure(session, Reporter, {"site_id": site.id, "external_id": given.id}, created_at=now)
    if believed and given.account_created_at:
        row.account_created_at = row.account_created_at or given.account_created_at
    elif made:  # readers who comment: their comment system has told
        author = select(Author.account_created_at).filter_by(site_id=site.id, external_id=given.id)
        row.account_created_at = session.scalars(author).first()
    return row


def _within_limit(session: Session, site: Site, reporter: Reporter, now: datetime) -> None:
    most = sites.settings(site).reports_per_hour
    wanted = select(Report.at).where(Report.reporter_id == reporter.id, Report.at > now - HOUR)
    last = session.scalars(wanted.order_by(Report.at.desc()).offset(most - 1).limit(1)).first()
    if last is not None:
        raise LimitError(most, max(1, math.ceil((last + HOUR - now).total_seconds())))


def _became(report: Report) -> ReportState | None:
    if report.upheld is None:
        return None
    return "removed" if report.upheld else "kept"


def _kept(session: Session, comment: Comment, revision: int) -> ReportState | None:
    return "kept" if cases.current(session, comment.id) is None and _keeping(session, comment, revision) else None


def _keeping(session: Session, comment: Comment, revision: int) -> Decision | None:
    """A person's decision by which this wording stands; None if there is none."""
    wanted = select(Decision).where(
        Decision.comment_id == comment.id,
        Decision.revision == revision,
        Decision.actor != "policy",
        Decision.action != "escalate",
        Decision.undone_at.is_(None),
    )
    last = session.scalars(wanted.order_by(Decision.at.desc(), Decision.id).limit(1)).first()
    return last if last and (last.action in ("keep", "feature") or last.overturned_at) else None


def _case(
    session: Session, comment: Comment, revision: int, reporter: Reporter, filing: Filing, now: datetime
) -> tuple[Case, bool, ReportState]:
    """The case that a report belongs to, whether it was opened for it, and what to tell the reader."""
    if case := cases.current(session, comment.id):
        return case, False, "received"
    closed = cases.last(session, comment.id)
    if closed is None or _keeping(session, comment, revision) is None:
        return *cases.opened(session, comment, "report", now), "received"
    # Readers who have reported this wording since, and had not before.
    waiting: list[Any] = [
        Report.comment_id == comment.id,
        Report.revision == revision,
        Report.withdrawn_at.is_(None),
        Report.upheld.is_(None),
    ]
    before = select(Report.reporter_id).where(
        Report.comment_id == comment.id, Report.revision == revision, Report.upheld.is_not(None)
    )
    others = [*waiting, Report.reporter_id != reporter.id, Report.reporter_id.not_in(before)]
    count = session.scalar(select(func.count(Report.reporter_id.distinct())).where(*others)) or 0
    heard = session.scalars(before.where(Report.reporter_id == reporter.id).limit(1)).first() is not None
    if filing.notice is None and count + (not heard) < AGAIN:
        return closed, False, "kept"
    case, opened = cases.opened(session, comment, "report", now)
    session.execute(update(Report).where(*waiting).values(case_id=case.id))
    return case, opened, "received"
