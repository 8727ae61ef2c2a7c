from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import triage
from serving.triage import REASONS, Report, Reporter, Weights, assess, rank
from serving.triage.ranking import AGREEMENT, BURST_TAKES, DEFAULT, NEUTRAL, NEWCOMERS_MOST, returns, sigmoid
from serving.triage.reporters import NEWCOMER
from tests.serving.triage.making import (
    FIRST,
    NOW,
    OLD,
    SCORES,
    case,
    cases,
    crowd,
    filings,
    known,
    people,
    report,
    reporter,
)

EPSILON = 1e-9
GOOD = reporter("good", upheld=20)
BAD = reporter("bad", declined=20)


def odds(*reports: Report, people: dict[str, Reporter] | None = None) -> float:
    return assess(case(*reports), people or {}, NOW).log_odds


TEXT = odds()


def test_without_reports_it_is_what_the_text_says() -> None:
    ranked = assess(case(score=0.3), {}, NOW)
    assert ranked.probability == pytest.approx(0.3)
    assert [line.words for line in ranked.explanation] == ["the text alone: 0.30"]


def test_a_newcomer_adds_little_a_good_record_more_and_a_bad_one_nothing() -> None:
    stranger = odds(report("x"))
    assert stranger == pytest.approx(TEXT + DEFAULT.reports * NEWCOMER.value)
    assert odds(report("good"), people=known(GOOD)) > stranger + 0.5
    assert odds(report("bad"), people=known(BAD)) == TEXT


def test_raw_counts_of_strangers_in_a_burst_are_bounded_by_a_constant() -> None:
    one = odds(report("x0"))
    for size in (5, 50, 2000):
        assert odds(*crowd(size, apart=0.001)) == pytest.approx(one)
        assert odds(*crowd(size, apart=0.001)) - TEXT <= NEWCOMERS_MOST + EPSILON
    # A comment that the text finds harmless stays low however many report it.
    assert assess(case(*crowd(2000, apart=0.001), score=0.05), {}, NOW).probability < 0.15


@given(st.integers(1, 60), st.floats(0.01, 20))
def test_colluding_new_accounts_weigh_a_constant_together(size: int, apart: float) -> None:
    new = known(*(reporter(f"x{number}", created=FIRST - timedelta(days=2)) for number in range(size)))
    # Fewer than a cohort are two readers, who count as two.
    most = NEWCOMERS_MOST * (returns(1) + returns(2))
    assert odds(*crowd(size, apart=apart), people=new) - TEXT <= most + EPSILON
    if size >= 3:
        assert odds(*crowd(size, apart=apart), people=new) - TEXT <= NEWCOMERS_MOST + EPSILON


def test_slow_strangers_have_diminishing_returns_with_a_bound() -> None:
    old = known(*(reporter(f"x{number}") for number in range(40)))
    added = [odds(*crowd(size, apart=30), people=old) - TEXT for size in (1, 2, 3, 10, 40)]
    assert added == sorted(added)
    assert added[1] - added[0] > added[2] - added[1]
    assert added[-1] < NEWCOMERS_MOST / AGREEMENT


def test_returns_sum_to_kishs_number() -> None:
    for count in (1, 2, 5, 100):
        assert sum(map(returns, range(1, count + 1))) == pytest.approx(count / (1 + (count - 1) * AGREEMENT))


def test_accounts_that_report_the_same_comments_count_as_their_best() -> None:
    farmed = known(*(reporter(f"x{number}", upheld=5) for number in range(10)))
    campaign = [case(*crowd(10, f"c{n}", minutes=60 * n, apart=30), comment=f"c{n}") for n in range(5)]
    alone = odds(report("x0"), people=farmed)
    for ranked in rank(campaign, farmed, NOW):
        assert ranked.log_odds == pytest.approx(alone)
        assert ranked.explanation[-1].words.startswith(
            "10 readers who keep reporting the same comments, counted as one"
        )


def test_a_campaign_against_an_author_shows_although_each_comment_has_one_report() -> None:
    old = known(*(reporter(f"x{n}") for n in range(9)))
    two = case(report("x0", "c0"), report("x8", "c0", 5), comment="c0")
    spread = [case(report(f"x{n}", f"c{n}", n), comment=f"c{n}") for n in range(1, 8)]
    (alone,) = rank([two], old, NOW)
    (seen,) = rank([two], old, NOW, context=spread)
    assert alone.explanation[-1].words == "2 readers without a record yet"
    assert seen.explanation[-1].words == "2 readers without a record yet who came in a burst, counted as one"
    assert seen.log_odds < alone.log_odds
    assert next(one for one in rank([*spread, two], old, NOW) if one.case == two).log_odds == seen.log_odds


def test_a_reason_that_the_text_bears_out_raises_and_one_that_it_contradicts_lowers() -> None:
    fits, neutral, contradicted = (odds(report("x", reason=each)) for each in ("hateful", "spam", "threatening"))
    assert fits - neutral == pytest.approx(DEFAULT.fit * (SCORES["identity_attack"] - NEUTRAL))
    assert contradicted - neutral == pytest.approx(DEFAULT.fit * (SCORES["threat"] - NEUTRAL))
    assert odds(report("x", reason="hateful"), report("x", reason="threatening")) == pytest.approx(fits)
    assert odds(report("x", reason="spam"), report("x", reason="threatening")) == pytest.approx(neutral)


def test_a_comment_without_scores_is_an_average_one() -> None:
    ranked = assess(replace(case(report("x", reason="hateful")), scores={}), {}, NOW)
    assert ranked.explanation[0].words.startswith("no score of the text")
    assert ranked.log_odds == pytest.approx(math.log(0.1 / 0.9) + NEWCOMERS_MOST)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_no_text_is_certain(score: float) -> None:
    assert 0 < assess(case(score=score), {}, NOW).probability < 1


def test_the_queue_is_by_probability_then_by_waiting_then_by_name() -> None:
    made = [
        case(report("x", "late", 60), comment="late"),
        case(report("y", "b", 0), comment="b"),
        case(report("z", "a", 0), comment="a"),
        case(report("good", "top", 90), comment="top"),
        case(report("w", "gone", withdrawn=True), comment="gone"),
    ]
    expected = ["top", "a", "b", "late"]
    assert [one.case.comment for one in rank(made, known(GOOD), NOW)] == expected
    assert [one.case.comment for one in rank(made[::-1], known(GOOD), NOW)] == expected
    assert rank([], {}, NOW) == []


@given(filings, people, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    made: list[Report], people: dict[str, Reporter], shuffler: random.Random
) -> None:
    other = [*made, *made]
    shuffler.shuffle(other)
    one, two = rank(cases(made), people, NOW), rank(cases(other)[::-1], people, NOW)
    assert [(each.case.comment, each.log_odds) for each in one] == [(each.case.comment, each.log_odds) for each in two]


@given(filings, people)
def test_withdrawing_and_repeating_inflates_nothing(made: list[Report], people: dict[str, Reporter]) -> None:
    before = {one.case.comment: one.log_odds for one in rank(cases(made), people, NOW)}
    back = [replace(one, withdrawn=True) for one in made]
    again = [replace(one, at=one.at + timedelta(minutes=90)) for one in made if not one.withdrawn]
    after = {one.case.comment: one.log_odds for one in rank(cases(made + back + again), people, NOW)}
    assert after == pytest.approx(before)
    assert rank(cases(back), people, NOW) == []


@given(filings, people)
def test_the_lines_sum_to_the_total_exactly_and_as_shown(made: list[Report], people: dict[str, Reporter]) -> None:
    for one in rank(cases(made), people, NOW, Weights(intercept=-0.3)):
        assert math.fsum(line.contribution for line in one.explanation) == one.log_odds
        assert one.probability == sigmoid(one.log_odds)
        features = one.features
        assert one.log_odds == pytest.approx(
            -0.3 + DEFAULT.text * features.text + DEFAULT.fit * features.fit + DEFAULT.reports * features.reports
        )
        lines, total = one.rounded()
        assert sum(round(line.contribution * 100) for line in lines) == round(total * 100)
        assert total == pytest.approx(one.log_odds, abs=0.00501)
        for shown, exact in zip(lines, one.explanation, strict=True):
            assert shown.contribution == pytest.approx(exact.contribution, abs=0.01 + EPSILON)
            assert shown.words == exact.words


@given(filings, people, st.sampled_from([f"r{number}" for number in range(8)]), st.integers(1, 12))
def test_monotone_in_a_readers_record(made: list[Report], people: dict[str, Reporter], name: str, better: int) -> None:
    outcomes = people[name].outcomes
    improved = replace(
        people[name],
        outcomes=tuple(replace(one, upheld=one.upheld or number < better) for number, one in enumerate(outcomes[::-1])),
    )
    before = {one.case.comment: one.log_odds for one in rank(cases(made), people, NOW)}
    for one in rank(cases(made), people | {name: improved}, NOW):
        assert one.log_odds >= before[one.case.comment] - EPSILON


@given(
    filings,
    people,
    st.sampled_from([f"c{number}" for number in range(1, 6)]),
    st.sampled_from(list(REASONS)),
    st.integers(0, 1000),
)
def test_a_strangers_report_moves_a_comment_by_no_more_than_stated(
    made: list[Report], people: dict[str, Reporter], comment: str, reason: triage.Reason, minutes: int
) -> None:
    before = {one.case.comment: one for one in rank(cases(made), people, NOW)}
    extra = Report("stranger", comment, 1, reason, FIRST + timedelta(minutes=minutes))
    after = rank(cases([*made, extra]), people | {"stranger": Reporter("stranger", OLD)}, NOW)
    for one in after:
        if one.case.comment in before:
            moved = one.log_odds - before[one.case.comment].log_odds
            fit = DEFAULT.fit * max(0.0, one.features.fit - before[one.case.comment].features.fit)
            assert -BURST_TAKES - EPSILON <= moved <= NEWCOMERS_MOST + fit + DEFAULT.fit * NEUTRAL + EPSILON


@given(filings, st.sampled_from([f"c{number}" for number in range(1, 6)]), st.sampled_from(list(REASONS)))
def test_a_strangers_report_among_readers_with_a_record_lowers_nothing(
    made: list[Report], comment: str, reason: triage.Reason
) -> None:
    people = known(*(reporter(f"r{number}", upheld=number, declined=3) for number in range(8)))
    before = {one.case.comment: one.log_odds for one in rank(cases(made), people, NOW)}
    for one in rank(cases([*made, report("stranger", comment, reason=reason)]), people, NOW):
        assert one.log_odds >= before.get(one.case.comment, -math.inf) - EPSILON


@given(filings, people)
def test_no_report_takes_a_comment_below_its_best_reader(made: list[Report], people: dict[str, Reporter]) -> None:
    for one in rank(cases(made), people, NOW):
        readers = {each.reporter for each in one.case.reports if not each.withdrawn}
        best = max(triage.ranking.records_of(readers, people, NOW).values(), key=lambda record: record.value)
        assert best.value - EPSILON <= one.features.reports <= best.value / AGREEMENT + EPSILON


def test_strangers_cannot_damp_readers_with_a_record() -> None:
    good = known(*(reporter(f"g{number}", upheld=9) for number in range(4)))
    trusted = crowd(4, name="g")
    alone = odds(*trusted, people=good)
    assert odds(*trusted, *crowd(500, apart=0.001), people=good) >= alone


def test_weights_must_not_be_negative() -> None:
    for wrong in ({"text": -0.1}, {"fit": -1.0}, {"reports": -0.1}, {"intercept": math.nan}, {"text": math.inf}):
        with pytest.raises(ValueError, match="expected finite weights"):
            Weights(**wrong)
    assert Weights(intercept=-3).intercept == -3


def test_many_readers_with_a_record_are_named_up_to_a_few() -> None:
    good = known(*(reporter(f"g{number}", upheld=9 + number) for number in range(7)))
    words = [line.words for line in assess(case(*crowd(7, name="g", apart=30)), good, NOW).explanation]
    assert [each.startswith("a reader with") for each in words] == [False, True, True, True, True, False]
    assert words[-1] == "3 readers more with a record"
