"""What a moderator needs to see of cases, loaded for many of them in a few statements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving import triage
from serving.moderation.queue import claimed_by
from serving.moderation.ranking import records
from serving.moderation.tables import Case, Decision, Moderator, Report, Revision, RevisionScores
from serving.triage.ranking import sigmoid
from serving.triage.reporters import Record


@dataclass(frozen=True, slots=True)
class Line:
    """One reason of a case's place in the queue: words, and log-odds that add up to the case's."""

    words: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a case, and until when."""

    moderator: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Casefile:
    """An open or closed case with what belongs to it.

    text: of the present wording, None if none is kept. scores: of it, by `model`, 0..1, None if it has none.
    reasons: how many readers' standing reports state each. probability: P(upheld), 0..1.
    """

    case: Case
    text: str | None
    language: str | None
    model: str | None
    scores: Mapping[str, float] | None
    reasons: Mapping[str, int]
    claim: Claim | None

    @property
    def probability(self) -> float:
        """P(upheld), 0..1, as it ranked last."""
        return sigmoid(self.case.log_odds)

    @property
    def lines(self) -> list[Line]:
        """Why it ranks where it does; none before it was ranked for the first time."""
        return [Line(words, log_odds) for words, log_odds in self.case.explanation or []]


@dataclass(frozen=True, slots=True)
class Heard:
    """A report as a moderator sees it: with its reader's record, without the reader's id."""

    report: Report
    record: Record


@dataclass(frozen=True, slots=True)
class Detail:
    """A case with its reports, oldest first, and what was decided on the comment so far, latest first."""

    file: Casefile
    reports: Sequence[Heard] = field(default_factory=tuple)
    decisions: Sequence[Decision] = field(default_factory=tuple)


def load(session: Session, cases: Sequence[Case], now: datetime) -> list[Casefile]:
    """The files of cases, in their order."""
    comments = [case.comment_id for case in cases]
    current = {
        revision.comment_id: revision
        for revision in session.scalars(
            select(Revision).where(Revision.comment_id.in_(comments)).order_by(Revision.number)
        )
    }
    scored: dict[int, RevisionScores] = {}
    wanted = select(RevisionScores).where(
        RevisionScores.revision_id.in_([revision.id for revision in current.values()]), RevisionScores.shadow.is_(False)
    )
    for row in session.scalars(wanted.order_by(RevisionScores.id)):
        scored[row.revision_id] = row
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    filed = select(Report.case_id, Report.reason).where(
        Report.case_id.in_([case.id for case in cases]), Report.withdrawn_at.is_(None)
    )
    for case_id, reason in session.execute(filed):
        reasons[case_id][reason] += 1
    holders = {holder for case in cases if (holder := claimed_by(case, now)) is not None}
    names = dict(session.execute(select(Moderator.id, Moderator.name).where(Moderator.id.in_(holders))).all())
    found = []
    for case in cases:
        revision = current[case.comment_id]
        scores = scored.get(revision.id)
        holder = claimed_by(case, now)
        found.append(
            Casefile(
                case=case,
                text=revision.text,
                language=revision.language,
                model=scores.model if scores else None,
                scores=scores.scores if scores else None,
                reasons=dict(reasons[case.id]),
                claim=Claim(names[holder], case.leased_until) if holder is not None and case.leased_until else None,
            )
        )
    return found


def detail(session: Session, case: Case, now: datetime) -> Detail:
    """One case with all that belongs to it."""
    reports = session.scalars(select(Report).filter_by(case_id=case.id).order_by(Report.at, Report.id)).all()
    readers = records(session, {report.reporter_id for report in reports})
    known = triage.records_of(readers, readers, now)
    decisions = session.scalars(
        select(Decision).filter_by(comment_id=case.comment_id).order_by(Decision.at.desc(), Decision.id)
    ).all()
    heard = [Heard(report, known[str(report.reporter_id)]) for report in reports]
    return Detail(load(session, [case], now)[0], heard, decisions)
