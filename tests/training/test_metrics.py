from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from training.metrics import auc, calibration_error, length_bands, mean_auc, precision_recall, reliability

UNKNOWN = math.nan


def test_auc_counts_soft_labels_of_a_half_as_positive_and_leaves_out_the_unknown() -> None:
    labels = np.array([0.5, UNKNOWN, 0.4, 0.0, 1.0])
    scores = np.array([0.3, 9.0, 0.5, 0.1, 0.9])
    assert auc(labels, scores) == roc_auc_score([1, 0, 0, 1], [0.3, 0.5, 0.1, 0.9]) == 0.75


@pytest.mark.parametrize("labels", [[], [1.0, 0.6], [0.0, 0.4], [UNKNOWN, UNKNOWN], [1.0, UNKNOWN]])
def test_auc_of_one_class_does_not_exist(labels: list[float]) -> None:
    assert auc(np.array(labels), np.zeros(len(labels))) is None


def test_mean_auc_is_over_the_attributes_that_have_one() -> None:
    labels = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, UNKNOWN]])
    scores = np.array([[0.9, 0.1, 0.5], [0.1, 0.9, 0.5]])
    assert mean_auc(labels, scores) == 0.5


def test_calibration_error_of_hand_made_bins() -> None:
    scores = np.array([0.2, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8])
    labels = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    # The bins hold scores of 0.2 with 0.25 positive, and of 0.8 with all positive.
    assert reliability(labels, scores, bins=2) == [(0.2, 0.25, 4), (0.8, 1.0, 4)]
    assert calibration_error(labels, scores, bins=2) == pytest.approx((0.05 + 0.2) / 2)


def test_calibration_is_measured_against_soft_labels() -> None:
    scores = np.array([0.1, 0.3, 0.6, 0.9])
    assert calibration_error(scores.copy(), scores, bins=4) == 0.0
    assert calibration_error(np.append(scores, UNKNOWN), np.append(scores, 0.5), bins=4) == 0.0


def test_bins_without_rows_do_not_appear() -> None:
    assert reliability(np.array([1.0, 0.0]), np.array([0.7, 0.2])) == [(0.2, 0.0, 1), (0.7, 1.0, 1)]
    assert reliability(np.array([UNKNOWN]), np.array([0.7])) == []
    assert calibration_error(np.array([UNKNOWN]), np.array([0.7])) == 0.0


def test_precision_and_recall_at_a_threshold() -> None:
    labels = np.array([1.0, 1.0, 0.0, 0.0, UNKNOWN])
    scores = np.array([0.9, 0.2, 0.5, 0.1, 1.0])
    assert precision_recall(labels, scores, 0.5) == (0.5, 0.5, 0.5)
    assert precision_recall(labels, scores, 0.95) == (None, 0.0, 0.0)
    assert precision_recall(labels[2:], scores[2:], 0.5) == (0.0, None, 0.5)
    assert precision_recall(labels[4:], scores[4:], 0.5) == (None, None, 0.0)


@given(arrays(np.int64, st.integers(1, 200), elements=st.integers(1, 1000)))
def test_length_bands_are_ordered_and_equal_lengths_share_one(lengths: np.ndarray) -> None:
    bands = length_bands(lengths)
    order = np.argsort(lengths)
    assert (np.diff(bands[order]) >= 0).all()
    assert bands.min() >= 0
    assert bands.max() <= 9
    for length in np.unique(lengths):
        assert len(set(bands[lengths == length])) == 1


def test_length_bands_are_deciles() -> None:
    assert np.bincount(length_bands(np.arange(1000))).tolist() == [100] * 10
