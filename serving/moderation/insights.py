"""What a site's numbers say, week by week: how much there is to do, whether model and moderators agree, what drifts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from serving.moderation.tables import Appeal, Case, Comment, Decision, Report, Reporter, Revision, RevisionScores
from serving.statistics import auc
from serving.triage.reporters import PRIOR_DECLINED, PRIOR_UPHELD

WEEKS = 12
AGREED = 0.5  # the score of report_worthy from which on the model is taken to say "remove"
FEWEST = 5  # removals, and other decisions, that an AUC needs
SAMPLE = 1000  # scored comments of a week that its distribution is taken from, the latest
BINS = 10
MADE = ("keep", "remove", "feature")


@dataclass(frozen=True)
class Week:
    """One week, from a Monday. Shares are 0..1, times hours; None where nothing happened."""

    start: date
    comments: int = 0
    reports: int = 0
    decisions: int = 0
    removed: int = 0
    agreed: float | None = None  # share of decisions, as appeals left them, that the model would have made too
    median_hours: float | None = None  # from the case's opening to its decision
    slow_hours: float | None = None  # nine in ten were decided sooner
    appeals: int = 0
    overturned: int = 0


@dataclass(frozen=True)
class Agreement:
    """How well an attribute's score tells removed from other comments over all the weeks, and in each: AUC, None if
    too few.
    """

    attribute: str
    auc: float | None
    removed: float | None  # mean score of removed comments
    kept: float | None
    weeks: Sequence[float | None]


@dataclass(frozen=True)
class Drift:
    """How far an attribute's scores of the last week are from those before: the population stability index.

    Below 0.1 they are taken to be alike, from 0.25 on to have shifted (Siddiqi 2006, "Credit Risk Scorecards"); None if
    one side has fewer than a hundred.
    """

    attribute: str
    index: float | None
    before: float | None  # mean score
    after: float | None
    shares: Sequence[tuple[float, float]] = ()  # before and after, of each tenth of the scores; none without an index


@dataclass(frozen=True)
class Readers:
    """Readers whose reports were decided, in bands of a tenth of their precision, as triage estimates it."""

    bands: Sequence[int]
    upheld: int
    declined: int


def monday(moment: datetime) -> date:
    """The week's first day."""
    return (moment - timedelta(days=moment.weekday())).date()


def weeks(session: Session, sites: Collection[str], now: datetime) -> list[Week]:
    """The last WEEKS weeks of the sites, this one last."""
    first, since = _beginning(now)
    comments = _counted(session, Comment.received_at, since, Comment.site_id.in_(sites))
    reports = _counted(
        session, Report.at, since, Report.comment_id.in_(select(Comment.id).where(Comment.site_id.in_(sites)))
    )
    made: dict[date, list[Any]] = defaultdict(list)
    chosen = (
        select(Decision.at, Decision.action, Decision.overturned_at, Decision.scores, Case.opened_at)
        .join(Case, Case.id == Decision.case_id)
        .where(*_final(sites), Decision.at >= since)
    )
    for row in session.execute(chosen):
        made[monday(row.at)].append(row)
    appeals: Counter[date] = Counter()
    overturned: Counter[date] = Counter()
    for at, state in session.execute(
        select(Appeal.at, Appeal.state).where(Appeal.site_id.in_(sites), Appeal.at >= since)
    ):
        appeals[monday(at)] += 1
        overturned[monday(at)] += state == "overturned"
    found = []
    for number in range(WEEKS):
        start = first + timedelta(weeks=number)
        rows = made[start]
        known = [row for row in rows if "report_worthy" in (row.scores or {})]
        right = [(row.scores["report_worthy"] >= AGREED) == _stood(row) for row in known]
        hours = sorted((row.at - row.opened_at) / timedelta(hours=1) for row in rows)
        found.append(
            Week(
                start, comments[start], reports[start], len(rows), sum(row.action == "remove" for row in rows),
                sum(right) / len(right) if right else None,
                median(hours) if hours else None, hours[math.ceil(0.9 * len(hours)) - 1] if hours else None,
                appeals[start], overturned[start],
            )
        )  # fmt: skip
    return found


def agreement(session: Session, sites: Collection[str], attributes: Sequence[str], now: datetime) -> list[Agreement]:
    """Each attribute against the decisions of the last WEEKS weeks; overturned removals count as kept."""
    first, since = _beginning(now)
    chosen = select(Decision.action, Decision.overturned_at, Decision.scores, Decision.at).where(
        *_final(sites), Decision.at >= since
    )
    rows = [(row, (monday(row.at) - first).days // 7) for row in session.execute(chosen) if row.scores]
    found = []
    for name in attributes:
        weekly: list[list[tuple[bool, float]]] = [[] for _ in range(WEEKS)]
        for row, week in rows:
            if name in row.scores and week < WEEKS:
                weekly[week].append((_stood(row), row.scores[name]))
        pairs = [pair for week in weekly for pair in week]
        gone = [score for removed, score in pairs if removed]
        kept = [score for removed, score in pairs if not removed]
        found.append(Agreement(name, _auc(pairs), _mean(gone), _mean(kept), [_auc(week) for week in weekly]))
    return sorted(found, key=lambda one: (one.auc is None, -(one.auc or 0)))


def drift(session: Session, sites: Collection[str], attributes: Sequence[str], now: datetime) -> list[Drift]:
    """Each attribute's scores of the last seven days against those of the four weeks before."""
    edge = now - timedelta(days=7)
    after = _scores(session, sites, edge, now)
    before = _scores(session, sites, edge - timedelta(weeks=4), edge)
    found = []
    for name in attributes:
        old, new = ([row[name] for row in rows if name in row] for rows in (before, after))
        if min(len(old), len(new)) < 100:
            found.append(Drift(name, None, _mean(old), _mean(new)))
            continue
        shares = list(zip(*(_histogram(scores) / len(scores) for scores in (old, new)), strict=True))
        shown = [(float(one), float(other)) for one, other in shares]
        found.append(Drift(name, stability(old, new), _mean(old), _mean(new), shown))
    return sorted(found, key=lambda one: (one.index is None, -(one.index or 0)))


def stability(before: Sequence[float], after: Sequence[float]) -> float:
    """Population stability index of two samples of scores, over tenths; an empty one counts half a score."""
    shares = []
    for scores in (before, after):
        counts = np.maximum(_histogram(scores), 0.5)
        shares.append(counts / counts.sum())
    old, new = shares
    return float(((new - old) * np.log(new / old)).sum())


def readers(session: Session, sites: Collection[str]) -> Readers:
    """How good the reports of the sites' readers turned out to be."""
    chosen = (
        select(Report.reporter_id, Report.upheld, func.count())
        .join(Reporter, Reporter.id == Report.reporter_id)
        .where(Reporter.site_id.in_(sites), Report.upheld.is_not(None))
        .group_by(Report.reporter_id, Report.upheld)
    )
    records: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for reporter, upheld, count in session.execute(chosen):
        records[reporter][bool(upheld)] += count
    bands = [0] * BINS
    for no, yes in records.values():
        precision = (PRIOR_UPHELD + yes) / (PRIOR_UPHELD + PRIOR_DECLINED + yes + no)
        bands[min(BINS - 1, int(precision * BINS))] += 1
    return Readers(bands, sum(up for _, up in records.values()), sum(down for down, _ in records.values()))


def _beginning(now: datetime) -> tuple[date, datetime]:
    """The first day of the first of the WEEKS weeks, and the moment at which it begins."""
    first = monday(now) - timedelta(weeks=WEEKS - 1)
    return first, datetime.combine(first, datetime.min.time(), now.tzinfo)


def _stood(row: Any) -> bool:
    """Whether a decision was a removal that no appeal overturned."""
    return bool(row.action == "remove" and row.overturned_at is None)


def _auc(pairs: Sequence[tuple[bool, float]]) -> float | None:
    """Of (removed, score); None with fewer than FEWEST of either."""
    removed = sum(gone for gone, _ in pairs)
    if min(removed, len(pairs) - removed) < FEWEST:
        return None
    return auc(np.array([gone for gone, _ in pairs]), np.array([score for _, score in pairs]))


def _histogram(scores: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.histogram(scores, bins=BINS, range=(0.0, 1.0))[0].astype(np.float64)


def _final(sites: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        Decision.site_id.in_(sites),
        Decision.actor != "policy",
        Decision.action.in_(MADE),
        Decision.undone_at.is_(None),
    )


def _counted(
    session: Session, moment: InstrumentedAttribute[datetime], since: datetime, condition: ColumnElement[bool]
) -> Counter[date]:
    # By day in the database, so that no row is read; days of SQLite come as text.
    day = func.date(moment)
    found: Counter[date] = Counter()
    for written, count in session.execute(select(day, func.count()).where(moment >= since, condition).group_by(day)):
        on = written if isinstance(written, date) else date.fromisoformat(written)
        found[on - timedelta(days=on.weekday())] += count
    return found


def _scores(session: Session, sites: Collection[str], since: datetime, until: datetime) -> list[Mapping[str, float]]:
    chosen = (
        select(RevisionScores.scores)
        .join(Revision, Revision.id == RevisionScores.revision_id)
        .join(Comment, Comment.id == Revision.comment_id)
        .where(
            Comment.site_id.in_(sites), RevisionScores.shadow.is_(False),
            RevisionScores.created_at >= since, RevisionScores.created_at < until,
        )
        .order_by(RevisionScores.id.desc())
        .limit(SAMPLE)
    )  # fmt: skip
    return list(session.scalars(chosen))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
