from __future__ import annotations

import numpy as np
import pytest

from training.logistic import Line, fit


def test_fit_finds_the_line_that_made_the_labels() -> None:
    values = np.random.default_rng(0).normal(size=4000) * 2
    truth = Line(slope=1.5, intercept=-0.7)
    found = fit(values, truth.predict(values))
    assert found is not None
    assert found.slope == pytest.approx(1.5, abs=0.02)
    assert found.intercept == pytest.approx(-0.7, abs=0.02)


def test_fit_keeps_the_mean_of_soft_labels() -> None:
    values, labels = np.zeros(40), np.array([0.1, 0.3] * 20)
    found = fit(values, labels)
    assert found is not None
    assert found.predict(values) == pytest.approx(np.full(40, 0.2), abs=1e-3)


def test_unknown_labels_do_not_count() -> None:
    values, labels = np.array([-1.0, 0.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0, 1.0])
    more = fit(np.append(values, [50.0, -50.0]), np.append(labels, [np.nan, np.nan]))
    assert more == fit(values, labels)


@pytest.mark.parametrize("labels", [[], [0.0, 0.0], [1.0, 1.0], [np.nan, np.nan], [np.nan, 1.0]])
def test_one_class_has_no_line(labels: list[float]) -> None:
    assert fit(np.arange(len(labels), dtype=np.float64), np.array(labels)) is None


def test_prediction_stays_a_probability_however_far_the_value() -> None:
    assert ((found := Line(3.0, 0.0).predict(np.array([-1e9, 0.0, 1e9]))) >= 0).all()
    assert found.tolist() == [pytest.approx(0.0), 0.5, pytest.approx(1.0)]
