"""Counts for transparency reports (DSA Art. 15 and 24): what was reported, decided and appealed in a period."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from statistics import median

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving.moderation.tables import Appeal, Case, Decision, Report, Reporter


class Decided(BaseModel):
    """Decisions of one kind. `automated`: by a rule, without a person."""

    action: str
    reason: str | None
    automated: bool
    count: int


class Counts(BaseModel):
    """A site's period: from the first day to the last, both included, in UTC. Decisions that were undone do not count.

    A median is in seconds, and null where there is nothing to take it of.
    """

    site: str
    first: date
    last: date
    reports: dict[str, int] = Field(description="by reason; withdrawn ones do not count")
    notices: int = Field(description="of the reports, those that are notices of illegal content (Art. 16)")
    decisions: list[Decided]
    overturned: int = Field(description="of the decisions, those that an appeal has overturned by now")
    median_seconds_to_decision: float | None = Field(description="from a case's opening to a person's decision")
    appeals: dict[str, int] = Field(description="filed in the period, by what became of them")
    median_seconds_to_appeal_decision: float | None


@dataclass(frozen=True, slots=True)
class _Period:
    start: datetime
    end: datetime


def counts(session: Session, site_id: str, first: date, last: date) -> Counts:
    """The counts of a site. `first` must not be after `last`."""
    period = _Period(datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC))
    reports = _reports(session, site_id, period)
    decided = _decisions(session, site_id, period)
    during = (Decision.site_id == site_id, Decision.at.between(period.start, period.end), Decision.undone_at.is_(None))
    took = session.execute(
        select(Case.opened_at, Decision.at)
        .join(Case, Case.id == Decision.case_id)
        .where(*during, Decision.actor != "policy", Decision.action != "escalate", Case.origin != "moderator")
    )
    overturned = session.scalar(select(func.count()).where(*during, Decision.overturned_at.is_not(None))) or 0
    filed = (Appeal.site_id == site_id, Appeal.at.between(period.start, period.end))
    appeals = session.execute(select(Appeal.state, Appeal.at, Appeal.decided_at).where(*filed)).all()
    return Counts(
        site=site_id,
        first=first,
        last=last,
        reports=reports,
        notices=reports.get("illegal", 0),
        decisions=decided,
        overturned=overturned,
        median_seconds_to_decision=_median([(end - start).total_seconds() for start, end in took]),
        appeals=dict(sorted(Counter(state for state, _, _ in appeals).items())),
        median_seconds_to_appeal_decision=_median([(end - at).total_seconds() for _, at, end in appeals if end]),
    )


def table(found: Counts) -> str:
    """The same as CSV: a row for each number, in columns that never change."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["site", "first", "last", "what", "action", "reason", "automated", "value"])
    start = [found.site, found.first.isoformat(), found.last.isoformat()]
    for reason, count in found.reports.items():
        writer.writerow([*start, "reports", "", reason, "", count])
    writer.writerow([*start, "notices", "", "illegal", "", found.notices])
    for row in found.decisions:
        automated = "yes" if row.automated else "no"
        writer.writerow([*start, "decisions", row.action, row.reason or "", automated, row.count])
    writer.writerow([*start, "overturned", "", "", "", found.overturned])
    for state, count in found.appeals.items():
        writer.writerow([*start, "appeals", state, "", "", count])
    for what in ("median_seconds_to_decision", "median_seconds_to_appeal_decision"):
        value = getattr(found, what)
        writer.writerow([*start, what, "", "", "", "" if value is None else f"{value:.0f}"])
    return out.getvalue()


def _reports(session: Session, site_id: str, period: _Period) -> dict[str, int]:
    rows = session.execute(
        select(Report.reason, func.count())
        .join(Reporter, Reporter.id == Report.reporter_id)
        .where(Reporter.site_id == site_id, Report.at.between(period.start, period.end), Report.withdrawn_at.is_(None))
        .group_by(Report.reason)
        .order_by(Report.reason)
    )
    return dict(rows.all())


def _decisions(session: Session, site_id: str, period: _Period) -> list[Decided]:
    rows = session.execute(
        select(Decision.action, Decision.reason, Decision.actor, func.count())
        .where(Decision.site_id == site_id, Decision.at.between(period.start, period.end), Decision.undone_at.is_(None))
        .group_by(Decision.action, Decision.reason, Decision.actor)
    )
    found: Counter[tuple[str, str | None, bool]] = Counter()
    for action, reason, actor, count in rows:
        found[action, reason, actor == "policy"] += count
    ordered = sorted(found.items(), key=lambda item: (item[0][2], item[0][0], item[0][1] or ""))
    return [
        Decided(action=action, reason=reason, automated=automated, count=count)
        for (action, reason, automated), count in ordered
    ]


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
