from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from training.bootstrap import Interval, draws, weighted_auc, weighted_banded_auc, weighted_precision

Case = tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.int64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Truth, scores with many ties, and weights of three resamples; all with both classes."""
    rows = draw(st.integers(2, 30))
    truth = np.array([True, False, *draw(st.lists(st.booleans(), min_size=rows - 2, max_size=rows - 2))])
    scores = np.array(draw(st.lists(st.integers(0, 6), min_size=rows, max_size=rows))) / 6
    weights = np.array(
        draw(st.lists(st.lists(st.integers(0, 3), min_size=rows, max_size=rows), min_size=3, max_size=3))
    )
    weights[:, :2] += 1
    return truth, scores, weights


@settings(deadline=None)
@given(cases())
def test_weighted_auc_is_scikit_learns(case: Case) -> None:
    truth, scores, weights = case
    expected = [roc_auc_score(truth, scores, sample_weight=line) for line in weights]
    np.testing.assert_allclose(weighted_auc(truth, scores, weights), expected)


@settings(deadline=None)
@given(cases(), st.floats(0.1, 0.9))
def test_weighted_auc_of_shares_is_that_of_votes(case: Case, share: float) -> None:
    truth, scores, weights = case
    shares = np.where(truth, share, 0.05)
    votes = np.repeat([1, 0], len(truth))
    expected = [
        roc_auc_score(votes, np.tile(scores, 2), sample_weight=np.concatenate([line * shares, line * (1 - shares)]))
        for line in weights
    ]
    np.testing.assert_allclose(weighted_auc(shares, scores, weights), expected)


@settings(deadline=None)
@given(cases())
def test_weighted_precision_is_scikit_learns(case: Case) -> None:
    truth, scores, weights = case
    expected = [average_precision_score(truth, scores, sample_weight=line) for line in weights]
    np.testing.assert_allclose(weighted_precision(truth, scores, weights), expected)


@settings(deadline=None, max_examples=50)
@given(cases(), st.data())
def test_banded_auc_compares_pairs_of_one_band_only(case: Case, data: st.DataObject) -> None:
    truth, scores, weights = case
    bands = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(truth), max_size=len(truth))))
    for line, found in zip(weights, weighted_banded_auc(truth, scores, bands, weights), strict=True):
        wins = pairs = 0.0
        for yes, no in product(np.flatnonzero(truth), np.flatnonzero(~truth)):
            if bands[yes] == bands[no]:
                both = float(line[yes] * line[no])
                pairs += both
                wins += both * ((scores[yes] > scores[no]) + (scores[yes] == scores[no]) / 2)
        if pairs:
            assert found == pytest.approx(wins / pairs)
        else:
            assert np.isnan(found)


def test_resample_with_one_class_is_undefined() -> None:
    truth, scores = np.array([True, False]), np.array([0.9, 0.1])
    weights = np.array([[1, 1], [2, 0], [0, 2]])
    assert np.isnan(weighted_auc(truth, scores, weights)).tolist() == [False, True, True]
    assert np.isnan(weighted_precision(truth, scores, weights)).tolist() == [False, False, True]


def test_draws_resample_as_many_rows_and_repeat_exactly() -> None:
    found = draws(50, 200, seed=4)
    assert found.shape == (200, 50)
    assert (found.sum(axis=1) == 50).all()
    assert (found == draws(50, 200, seed=4)).all()
    assert (found != draws(50, 200, seed=5)).any()


def test_interval_leaves_out_undefined_resamples() -> None:
    samples = np.append(np.arange(101) / 100, [np.nan] * 9)
    assert Interval.of(0.512345, samples) == Interval(0.5123, 0.025, 0.975)


def test_interval_covers_the_value_of_many_rows() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random(400) < 0.3
    scores = truth + generator.normal(size=400)
    weights = np.concatenate([np.ones((1, 400), np.int64), draws(400, 300, seed=1)])
    values = weighted_auc(truth, scores, weights)
    found = Interval.of(values[0], values[1:])
    assert found.low < found.value < found.high
    assert 0.02 < found.high - found.low < 0.2
