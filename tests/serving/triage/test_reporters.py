from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.triage import Outcome, Reporter
from serving.triage.reporters import (
    BASE,
    HALF_LIFE,
    NEWCOMER,
    PRIOR_DECLINED,
    PRIOR_UPHELD,
    TRIED,
    UNTRIED_MOST,
    Record,
    logit,
    record,
)
from tests.serving.triage.making import NOW, reporter

counts = st.floats(0, 1000)


def test_a_newcomer_is_an_average_reader() -> None:
    assert record(Reporter("r"), NOW) == NEWCOMER
    assert NEWCOMER.precision == PRIOR_UPHELD / (PRIOR_UPHELD + PRIOR_DECLINED)
    assert Record(0, 10).value < NEWCOMER.value < Record(10, 0).value


def test_the_posterior_mean() -> None:
    found = record(reporter("r", upheld=6, declined=2), NOW)
    assert (found.upheld, found.declined, found.tried) == (6, 2, True)
    assert found.precision == pytest.approx(8 / 14)
    assert found.value == pytest.approx(logit(8 / 14) - logit(BASE))


def test_decisions_fade_toward_the_prior() -> None:
    old = Reporter("r", None, (Outcome("c", True, NOW - HALF_LIFE), Outcome("d", False, NOW - 2 * HALF_LIFE)))
    assert record(old, NOW) == Record(0.5, 0.25)
    assert record(old, NOW + 60 * HALF_LIFE).precision == pytest.approx(NEWCOMER.precision)


def test_what_is_not_decided_yet_does_not_count() -> None:
    assert record(Reporter("r", None, (Outcome("c", True, NOW + timedelta(seconds=1)),)), NOW) == NEWCOMER


def test_a_comment_counts_once_as_it_was_decided_last() -> None:
    overturned = (Outcome("c", True, NOW - timedelta(days=1)), Outcome("c", False, NOW))
    assert record(Reporter("r", None, overturned), NOW) == Record(0, 1)
    assert record(Reporter("r", None, overturned[::-1]), NOW) == Record(0, 1)
    assert record(Reporter("r", None, (Outcome("c", True, NOW),) * 9), NOW) == Record(1, 0)
    both = (Outcome("c", True, NOW), Outcome("c", False, NOW))
    assert record(Reporter("r", None, both), NOW) == record(Reporter("r", None, both[::-1]), NOW) == Record(0, 1)


@given(counts, counts, st.floats(0, 10))
def test_value_rises_with_upheld_and_falls_with_declined_and_is_never_negative(
    upheld: float, declined: float, more: float
) -> None:
    value = Record(upheld, declined).value
    assert value >= 0
    assert Record(upheld + more, declined).value >= value - 1e-9
    assert Record(upheld, declined + more).value <= value + 1e-9
    assert Record(upheld, declined).tried or value <= UNTRIED_MOST


def test_tried_at_the_threshold() -> None:
    assert Record(TRIED, 0).tried
    assert Record(0, TRIED).tried
    assert not Record(TRIED / 2, TRIED / 2 - 0.01).tried
