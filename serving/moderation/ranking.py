"""Ranks a site's open cases by serving.triage, from what the database holds of them, and keeps the result.

Done when the queue is read and evidence has changed since, never when a report arrives.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from serving import triage
from serving.moderation import audit
from serving.moderation.tables import Case, Comment, Decision, Report, Reporter, Revision, RevisionScores, Site
from serving.store import Store

CONTEXT = timedelta(days=1)  # closed cases of so long may be part of a burst with open ones
AT_ONCE = 500  # rows written in one transaction: nobody waits long for the database
FIT_EVERY = 50  # decisions
SHARE = 5  # ranking takes at most one part in so many of the time, where it takes long at all
LONG = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class Ranks:
    """The open cases of a site, by id, as they rank at some moment. `seen`: the evidence that is in it."""

    site: str
    seen: datetime
    ranked: Mapping[str, triage.Ranked]


def rank(session: Session, site_id: str, now: datetime) -> Ranks:
    """Ranks a site's open cases again, in the session's one transaction, if evidence has changed."""
    found = compute(session, site_id, now)
    site = session.get_one(Site, site_id)
    if site.ranked_at != found.seen:
        _keep(session, list(found.ranked.items()))
        site.ranked_at = found.seen
        session.flush()
    return found


class Ranker:
    """Ranks the sites of a database as they are read. One ranking at a time: who comes meanwhile waits for it, and is
    served by it or by one more for all who wait. Who comes too soon after one that took long sees the order as it was.
    `clock`: seconds, of which only differences count.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._not_before: dict[str, float] = {}
        self._tickets = itertools.count(1)  # drawn by callers as they come, and by rankings as they begin
        self._ranked: dict[str, int] = {}  # the ticket of each site's last ranking

    def refresh(self, site_ids: Iterable[str], now: datetime) -> None:
        """Ranks those of the sites whose evidence has changed, and fits their weights if it is time."""
        for site_id in site_ids:
            mine = next(self._tickets)
            if not self._due(site_id):
                continue
            with self._lock:
                # A ranking that began after this caller came has seen all that the caller can know of.
                if self._ranked.get(site_id, 0) < mine and self._due(site_id):
                    begun = next(self._tickets)
                    self._refresh(site_id, now)
                    self._ranked[site_id] = begun

    def _due(self, site_id: str) -> bool:
        if self._clock() < self._not_before.get(site_id, 0.0):
            return False
        with self._store.session() as session:
            site = session.get(Site, site_id)
            return site is not None and site.ranked_at != site.touched_at

    def _refresh(self, site_id: str, now: datetime) -> None:
        began = self._clock()
        fit_when_due(self._store, site_id)
        with self._store.session() as session:
            found = compute(session, site_id, now)
        rows = list(found.ranked.items())
        for start in range(0, len(rows), AT_ONCE):
            with self._store.writing() as session:
                _keep(session, rows[start : start + AT_ONCE])
        with self._store.writing() as session:
            session.execute(update(Site).where(Site.id == site_id).values(ranked_at=found.seen))
        ended = self._clock()
        if ended - began > LONG:
            self._not_before[site_id] = ended + (ended - began) * (SHARE - 1)


def compute(session: Session, site_id: str, now: datetime) -> Ranks:
    """The ranks of a site's open cases; cases without a standing report rank by their text alone."""
    # Read first: what is added while the rest is read makes the site stale again.
    site = session.get_one(Site, site_id, populate_existing=True)
    seen, weights = site.touched_at, weights_of(site)
    opened = _cases(session, Case.site_id == site_id, Case.closed_at.is_(None))
    context = _cases(session, Case.site_id == site_id, Case.closed_at > now - CONTEXT)
    reporters = _reporters(session, site_id, now)
    ids = {one.comment: case_id for case_id, one in opened.items()}
    ranked = {ids[one.case.comment]: one for one in triage.rank(
        opened.values(), reporters, now, weights, context.values()
    )}  # fmt: skip
    for case_id, one in opened.items():
        if case_id not in ranked:
            ranked[case_id] = triage.assess(one, reporters, now, weights)
    return Ranks(site_id, seen, ranked)


def weights_of(site: Site) -> triage.Weights:
    """The weights fitted to a site's decisions, else the default ones."""
    fitted = site.weights or {}
    names = ("intercept", "text", "fit", "reports")
    return triage.Weights(*(fitted[name] for name in names)) if set(names) <= set(fitted) else triage.DEFAULT


def fit(session: Session, site_id: str, actor: str = "ranking") -> triage.Fit:
    """Fits a site's weights to its moderators' decisions, uses them if they prove no worse, and says why or why not.

    A decision that was overturned counts as it ended; one that was undone does not count.
    """
    wanted = select(Decision.features, Decision.upheld, Decision.overturned_at, Decision.at).where(*_telling(site_id))
    decided = [
        triage.Decided(triage.Features(**row.features), row.upheld and row.overturned_at is None, row.at)
        for row in session.execute(wanted)
    ]
    found = triage.fit(decided)
    site = session.get_one(Site, site_id)
    before = weights_of(site)
    site.weights = {"decisions": float(len(decided))} | (asdict(found.weights) if found.adopted else {})
    if weights_of(site) != before:
        details = {"why": found.why, "decisions": len(decided), "weights": asdict(found.weights)}
        audit.append(session, actor, "ranking.fitted", f"site:{site_id}", site=site_id, details=details)
        site.ranked_at = None
    return found


def fit_when_due(store: Store, site_id: str) -> None:
    """Fits after each FIT_EVERY decisions."""
    with store.session() as session:
        count = session.scalar(select(func.count()).select_from(Decision).where(*_telling(site_id))) or 0
        last = (session.get_one(Site, site_id).weights or {}).get("decisions", 0.0)
    if count >= last + FIT_EVERY:
        with store.writing() as session:
            fit(session, site_id)


def _telling(site_id: str) -> list[ColumnElement[bool]]:
    return [
        Decision.site_id == site_id,
        Decision.upheld.is_not(None),
        Decision.undone_at.is_(None),
        Decision.features.is_not(None),
    ]


def _cases(session: Session, *which: ColumnElement[bool]) -> dict[str, triage.Case]:
    """Cases by id as triage wants them, three statements for all."""
    # The scores of the current revision that count: the latest ones. A later row replaces an earlier one.
    scores: dict[int, Mapping[str, float]] = {}
    scored = (
        select(Comment.id, RevisionScores.scores)
        .join(Case, Case.comment_id == Comment.id)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .join(RevisionScores, RevisionScores.revision_id == Revision.id)
        .where(*which, RevisionScores.shadow.is_(False))
        .order_by(RevisionScores.id)
    )
    for comment_id, given in session.execute(scored):
        scores[comment_id] = given
    reports: dict[str, list[triage.Report]] = defaultdict(list)
    filed = (
        select(Report.case_id, Report.reporter_id, Report.comment_id, Report.revision, Report.reason, Report.at,
               Report.withdrawn_at)
        .join(Case, Case.id == Report.case_id)
        .where(*which)
    )  # fmt: skip
    for row in session.execute(filed):
        reason = cast(triage.Reason, row.reason)
        withdrawn = row.withdrawn_at is not None
        report = triage.Report(str(row.reporter_id), str(row.comment_id), row.revision, reason, row.at, withdrawn)
        reports[row.case_id].append(report)
    found = {}
    wanted = select(Case.id, Case.comment_id, Comment.story_id, Comment.author_id).join(Comment).where(*which)
    for case_id, comment_id, *around in session.execute(wanted):
        # Comments of no known story or author have none in common.
        story, author = (str(number or f"of {comment_id}") for number in around)
        found[case_id] = triage.Case(
            str(comment_id), story, author, scores.get(comment_id, {}), tuple(reports[case_id])
        )
    return found


def _reporters(session: Session, site_id: str, now: datetime) -> dict[str, triage.Reporter]:
    """The readers of reports that count now, with what became of their earlier ones."""
    recent = (
        select(Report.reporter_id)
        .join(Case, Case.id == Report.case_id)
        .where(Case.site_id == site_id, or_(Case.closed_at.is_(None), Case.closed_at > now - CONTEXT))
    )
    return records(session, recent.scalar_subquery())


def records(session: Session, ids: object) -> dict[str, triage.Reporter]:
    """Readers with what became of their reports. `ids`: numbers, or a statement that selects them."""
    outcomes: dict[int, list[triage.Outcome]] = defaultdict(list)
    decided = select(Report.reporter_id, Report.comment_id, Report.upheld, Report.decided_at).where(
        Report.reporter_id.in_(cast(Sequence[int], ids)), Report.upheld.is_not(None)
    )
    for row in session.execute(decided):
        outcomes[row.reporter_id].append(triage.Outcome(str(row.comment_id), row.upheld, row.decided_at))
    wanted = select(Reporter.id, Reporter.account_created_at).where(Reporter.id.in_(cast(Sequence[int], ids)))
    return {
        str(row.id): triage.Reporter(str(row.id), row.account_created_at, tuple(outcomes[row.id]))
        for row in session.execute(wanted)
    }


def _keep(session: Session, rows: Sequence[tuple[str, triage.Ranked]]) -> None:
    """Writes ranks to their cases, which may have been closed meanwhile: then they tell how it ranked at the end."""
    if rows:
        session.execute(update(Case), [
            {
                "id": case_id,
                "log_odds": ranked.log_odds,
                "features": asdict(ranked.features),
                "explanation": [[line.words, line.contribution] for line in ranked.rounded()[0]],
            }
            for case_id, ranked in rows
        ])  # fmt: skip
