from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import cast, get_args

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from serving import triage
from serving.moderation import decisions, ranking, reports, sites
from serving.moderation.decisions import By
from serving.moderation.ranking import FIT_EVERY, Ranker, Ranks
from serving.moderation.reports import Filing
from serving.moderation.tables import Case, Decision, Report, Site
from serving.store import now
from serving.triage.ranking import sigmoid
from tests.serving.moderation.world import World


def file(world: World, comment: str, reader: str, reason: str, minutes: float) -> None:
    filing = Filing.model_validate({"reporter": {"id": reader}, "reason": reason})
    with world.store.writing() as session:
        reports.file(session, world.site, comment, filing, now() - timedelta(minutes=minutes), believed=True)


def test_the_queue_ranks_as_triage_does(world: World) -> None:
    chance = random.Random(4)
    with world.store.writing() as session:
        sites.put(session, world.site, "x", sites.SiteSettings(reports_per_hour=10_000), "command")
    for number in range(40):
        world.comment(f"c{number}", score=chance.random(), author=f"a{number % 5}")
    for _ in range(300):
        reason = chance.choice(get_args(triage.Reason)[:6])
        file(world, f"c{chance.randrange(40)}", f"r{chance.randrange(25)}", reason, chance.random() * 300)
    with world.store.writing() as session:  # readers come to have records, and the last day's cases count as context
        for case in list(session.scalars(select(Case).order_by(Case.opened_at).limit(15))):
            decisions.decide(session, case, chance.choice(["keep", "remove"]), By("key"), reason="abusive")
        for report in session.scalars(select(Report).where(Report.upheld.is_(None)).limit(9)):
            report.withdrawn_at = now()
    moment = now()
    with world.store.writing() as session:
        ranking.rank(session, world.site, moment)

    # The same from the rows, put together in another way.
    def case_of(row: Case) -> triage.Case:
        comment = row.comment
        filed = []
        for r in row.reports:
            reason, withdrawn = cast(triage.Reason, r.reason), r.withdrawn_at is not None
            filed.append(triage.Report(str(r.reporter_id), str(row.comment_id), r.revision, reason, r.at, withdrawn))
        scores = comment.revisions[-1].scores[-1].scores
        return triage.Case(str(row.comment_id), str(comment.story_id), str(comment.author_id), scores, tuple(filed))

    with world.store.session() as session:
        every = list(session.scalars(select(Case)))
        outcomes: dict[str, list[triage.Outcome]] = {}
        readers = {}
        for report in session.scalars(select(Report)):
            known = outcomes.setdefault(str(report.reporter_id), [])
            if report.upheld is not None and report.decided_at:
                known.append(triage.Outcome(str(report.comment_id), report.upheld, report.decided_at))
        for reader, known in outcomes.items():
            readers[reader] = triage.Reporter(reader, None, tuple(known))
        opened = [case_of(row) for row in every if row.closed_at is None]
        closed = [case_of(row) for row in every if row.closed_at is not None]
        wanted = triage.rank(opened, readers, moment, context=closed)
        found = {str(row.comment_id): row for row in every if row.closed_at is None}
        assert len(wanted) > 15
        for one in wanted:
            row = found[one.case.comment]
            assert row.log_odds == pytest.approx(one.log_odds, abs=1e-12)
            assert row.features and row.features["reports"] == pytest.approx(one.features.reports)
            assert [words for words, _ in row.explanation or []] == [line.words for line in one.explanation]
            assert sum(part for _, part in row.explanation or []) == pytest.approx(round(one.log_odds, 2), abs=1e-9)


def test_a_case_without_a_standing_report_ranks_by_its_text(world: World) -> None:
    world.comment("c1", score=0.5)
    file(world, "c1", "r1", "abusive", 0)
    with world.store.writing() as session:
        case = session.scalars(select(Case)).one()
        reports.withdraw(session, world.site_row(session), world.row(session, "c1"), "r1", None, now())
        ranking.rank(session, world.site, now())
        assert case.log_odds == 0.0
        assert case.features and (case.features["text"], case.features["reports"]) == (0.0, 0.0)


def test_ranking_waits_until_somebody_reads_and_evidence_has_changed(world: World) -> None:
    ranker = Ranker(world.store, clock=lambda: 0.0)  # on a busy machine a ranking may take long
    world.comment("c1", score=0.5)
    file(world, "c1", "r1", "abusive", 0)

    def ranked() -> float:
        with world.store.session() as session:
            return session.scalars(select(Case.log_odds)).one()

    text_alone = ranked()
    ranker.refresh([world.site], now())
    by_one = ranked()
    assert (text_alone, by_one > text_alone) == (0.0, True)
    with world.store.writing() as session:
        session.scalars(select(Case)).one().log_odds = 7.0
    ranker.refresh([world.site], now())
    assert ranked() == 7.0  # nothing new: not ranked
    file(world, "c1", "r2", "abusive", 0)
    ranker.refresh([world.site], now())
    assert by_one < ranked() < 7.0


class Clock:
    """A clock that goes on by `step` seconds whenever it is read."""

    def __init__(self) -> None:
        self.time, self.step = 100.0, 0.0

    def __call__(self) -> float:
        self.time += self.step
        return self.time


def test_where_ranking_takes_long_it_takes_a_fifth_of_the_time(world: World) -> None:
    clock = Clock()
    ranker = Ranker(world.store, clock)
    world.comment("c1", score=0.5)

    def ranked() -> float:
        ranker.refresh([world.site], now())
        with world.store.session() as session:
            return session.scalars(select(Case.log_odds)).one()

    file(world, "c1", "r1", "abusive", 0)
    clock.step = 2.0
    by_one = ranked()
    ended, clock.step = clock.time, 0.0
    file(world, "c1", "r2", "abusive", 0)
    clock.time = ended + 4 * 2.0 - 0.1
    assert ranked() == by_one
    clock.time = ended + 4 * 2.0
    by_two = ranked()
    assert by_two > by_one
    file(world, "c1", "r3", "abusive", 0)
    assert ranked() != by_two  # that one did not take long


@pytest.mark.parametrize("reported_meanwhile", [False, True])
def test_readers_who_come_together_rank_once(
    world: World, monkeypatch: pytest.MonkeyPatch, reported_meanwhile: bool
) -> None:
    """One who ranks, and four who come while that lasts: served by it if it has seen all, else by one more."""
    world.comment("c1", score=0.5)
    file(world, "c1", "r1", "abusive", 0)
    compute, began, go_on = ranking.compute, threading.Event(), threading.Event()
    rankings, asked = [], threading.Semaphore(0)

    def slow(session: Session, site_id: str, moment: datetime) -> Ranks:
        found = compute(session, site_id, moment)
        rankings.append(found)
        began.set()
        assert go_on.wait(60)
        return found

    def clock() -> float:
        asked.release()
        return 0.0

    monkeypatch.setattr(ranking, "compute", slow)
    ranker = Ranker(world.store, clock)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(ranker.refresh, [world.site], now())
        assert began.wait(60)
        if reported_meanwhile:
            file(world, "c1", "r2", "abusive", 0)
        while asked.acquire(blocking=False):
            pass
        others = [pool.submit(ranker.refresh, [world.site], now()) for _ in range(4)]
        for _ in others:
            assert asked.acquire(timeout=60)  # each has come
        go_on.set()
        for one in (first, *others):
            one.result(60)
    assert len(rankings) == (2 if reported_meanwhile else 1)
    with world.store.session() as session:
        site = world.site_row(session)
        assert site.ranked_at == site.touched_at


def test_who_waited_for_a_ranking_that_failed_ranks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.comment("c1", score=0.5)
    file(world, "c1", "r1", "abusive", 0)
    ranker = Ranker(world.store)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(ranking, "compute", lambda *_: 1 / 0)
        ranker.refresh([world.site], now())
    ranker.refresh([world.site], now())
    with world.store.session() as session:
        assert session.scalars(select(Case.log_odds)).one() > 0


def test_weights_are_fitted_to_a_sites_decisions_as_they_come_in(world: World) -> None:
    chance = random.Random(7)
    world.comment("c1")
    with world.store.writing() as session:
        comment = world.row(session, "c1")
        for number in range(8 * FIT_EVERY):
            text = chance.gauss(0, 2)
            upheld = chance.random() < sigmoid(2.5 * text - 1)
            features = {"text": text, "fit": 0.0, "reports": 0.0}
            session.add(Decision(
                site_id=world.site, comment_id=comment.id, revision=1, actor="key", action="keep", upheld=upheld,
                features=features, at=now() + timedelta(seconds=number), before={},
            ))  # fmt: skip
        session.get_one(Site, world.site).touched_at = now()
    Ranker(world.store).refresh([world.site], now())
    with world.store.session() as session:
        site = session.get_one(Site, world.site)
        fitted = ranking.weights_of(site)
    assert fitted.text > 1.5 and (site.weights or {})["decisions"] == 8 * FIT_EVERY
    with world.store.writing() as session:  # overturned, they say the opposite
        for row in session.scalars(select(Decision).where(Decision.upheld.is_(True))):
            row.overturned_at = now()
        assert not ranking.fit(session, world.site).adopted
        assert ranking.weights_of(session.get_one(Site, world.site)) == triage.DEFAULT
