from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.moderation import insights
from serving.moderation.tables import Appeal, Case, Report, Reporter
from serving.store import Store, now
from tests.serving.learning import desk

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=200)


def decide(store: Store, removed: bool, score: float, ago: timedelta, waited: timedelta, **more: object) -> None:
    with store.writing() as session:
        comment = desk.comment(session, "Text.")
        comment.received_at = now() - ago
        at = now() - ago
        case = Case(
            site_id="demo", comment_id=comment.id, origin="report", opened_at=at - waited, closed_at=at
        )  # fmt: skip
        session.add(case)
        session.flush()
        reporter = Reporter(site_id="demo", external_id=f"r{case.id}")
        session.add(Report(
            case=case, comment_id=comment.id, revision=1, reporter=reporter, reason="abusive", at=at,
            upheld=removed, decided_at=at,
        ))  # fmt: skip
        made = desk.decision(session, comment, "remove" if removed else "keep", "abusive" if removed else None, at=at)
        made.case_id, made.scores = case.id, {"report_worthy": score, "threat": 0.1}
        if "appeal" in more:
            state = str(more["appeal"])
            session.add(Appeal(site_id="demo", decision_id=made.id, state=state, at=at))


def test_weeks_count_what_happened_in_them(store: Store) -> None:
    hour = timedelta(hours=1)
    decide(store, True, 0.9, timedelta(), hour)
    decide(store, False, 0.8, timedelta(), 3 * hour)
    decide(store, True, 0.7, timedelta(weeks=2), hour, appeal="overturned")
    decide(store, True, 0.7, timedelta(weeks=insights.WEEKS + 1), hour)
    with store.session() as session:
        found = insights.weeks(session, ["demo"], now())
        assert insights.weeks(session, ["other"], now())[-1].decisions == 0
    assert len(found) == insights.WEEKS and all(week.start.weekday() == 0 for week in found)
    this, before = found[-1], found[-3]
    assert (this.comments, this.reports, this.decisions, this.removed) == (2, 2, 2, 1)
    assert this.agreed == 0.5
    assert this.median_hours == pytest.approx(2, abs=0.01) and this.slow_hours == pytest.approx(3, abs=0.01)
    assert (before.decisions, before.appeals, before.overturned, before.agreed) == (1, 1, 1, 1.0)
    assert sum(week.decisions for week in found) == 3


def test_agreement_ranks_attributes_and_needs_enough(store: Store) -> None:
    for number in range(12):
        decide(store, number % 2 == 0, 0.9 if number % 2 == 0 else 0.2, timedelta(), timedelta(hours=1))
    with store.session() as session:
        found = {
            one.attribute: one for one in insights.agreement(session, ["demo"], ["threat", "report_worthy"], now())
        }
        assert list(found) == ["report_worthy", "threat"]
        assert found["report_worthy"].auc == 1.0 and found["threat"].auc == 0.5
        assert found["report_worthy"].removed == pytest.approx(0.9)
        few = insights.agreement(session, ["other"], ["threat"], now())
        assert few == [insights.Agreement("threat", None, None, None, [None] * insights.WEEKS)]


def test_agreement_is_told_week_by_week(store: Store) -> None:
    for number in range(24):
        first, removed = number < 12, number % 2 == 0
        score = 0.9 if removed == first else 0.2  # right in one week, the wrong way round in a later one
        decide(store, removed, score, timedelta(weeks=3 if first else 1), timedelta(hours=1))
    decide(store, True, 0.9, timedelta(), timedelta(hours=1))  # too few this week
    with store.session() as session:
        [one] = insights.agreement(session, ["demo"], ["report_worthy"], now())
    assert list(one.weeks) == [None] * 8 + [1.0, None, 0.0, None]
    assert one.auc == pytest.approx(0.5, abs=0.1)


def test_drift_is_seen_where_scores_shift(store: Store) -> None:
    with store.writing() as session:
        for number in range(240):
            recent = number % 2 == 0
            comment = desk.comment(session, None, {"m": {"threat": 0.9 if recent else 0.1, "insult": number / 240}})
            for scores in comment.revisions[0].scores:
                scores.created_at = now() - timedelta(days=1 if recent else 20)
    with store.session() as session:
        found = insights.drift(session, ["demo"], ["insult", "threat", "unknown"], now())
    assert [one.attribute for one in found] == ["threat", "insult", "unknown"]
    assert (found[0].index or 0) > 1 > 0.1 > (found[1].index or 1) and found[2].index is None
    assert found[0].shares[1] == (1.0, 0.0) and found[0].shares[9] == (0.0, 1.0) and not found[2].shares
    assert found[0].before == pytest.approx(0.1) and found[0].after == pytest.approx(0.9)


@given(SCORES, SCORES)
def test_stability_is_zero_for_the_same_and_never_less(one: list[float], other: list[float]) -> None:
    assert insights.stability(one, one) == 0
    assert insights.stability(one, other) >= 0
    assert insights.stability(one, other) == pytest.approx(insights.stability(other, one))


def test_readers_are_banded_by_their_estimated_precision(store: Store) -> None:
    decide(store, True, 0.9, timedelta(), timedelta())
    decide(store, False, 0.1, timedelta(), timedelta())
    with store.session() as session:
        found = insights.readers(session, ["demo"])
    assert (found.upheld, found.declined) == (1, 1)
    assert found.bands[4] == 1 and found.bands[2] == 1  # 3 of 7, 2 of 7


def test_a_week_begins_on_monday() -> None:
    assert insights.monday(datetime(2026, 11, 22, 23, tzinfo=UTC)).isoformat() == "2026-11-16"
