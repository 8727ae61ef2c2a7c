from __future__ import annotations

import numpy as np
import pytest

from training.metrics import calibration_error
from training.reliability import floor, measured, weighted_error

GENERATOR = np.random.default_rng(4)
SCORES = GENERATOR.random(2000)
LABELS = (GENERATOR.random(2000) < SCORES).astype(np.float64)


def test_with_every_row_once_it_is_the_plain_error() -> None:
    ones = np.ones((1, 2000), np.int64)
    assert weighted_error(LABELS, SCORES, ones)[0] == pytest.approx(calibration_error(LABELS, SCORES), abs=2e-4)


def test_a_row_with_weight_two_counts_as_two_rows() -> None:
    weights = np.array([[2] * 1000 + [1] * 1000])
    order = np.argsort(SCORES, kind="stable")
    bins = np.array_split(order, 10)
    total = sum(abs(float((weights[0, part] * (LABELS[part] - SCORES[part])).sum())) for part in bins)
    assert weighted_error(LABELS, SCORES, weights)[0] == pytest.approx(total / weights.sum())


def test_calibrated_scores_are_at_the_floor_and_others_above() -> None:
    assert calibration_error(LABELS, SCORES) < 2 * floor(SCORES, seed=1)
    assert calibration_error(LABELS, SCORES**2) > 4 * floor(SCORES**2, seed=1)
    assert floor(SCORES[:200], seed=1) > floor(SCORES, seed=1)


def test_measured_says_rows_means_and_interval() -> None:
    found = measured(LABELS, SCORES, seed=2)
    assert (found["rows"], found["positives"]) == (2000, int(LABELS.sum()))
    assert found["mean_label"] == pytest.approx(found["mean_score"], abs=0.03)
    assert 0 < found["error"]["low"] < found["error"]["high"] < 0.1
