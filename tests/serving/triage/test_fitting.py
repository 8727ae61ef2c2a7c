from __future__ import annotations

import math
import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from serving.triage import DEFAULT, Decided, Features, Weights, fit
from serving.triage.fitting import DECISIONS, EACH, REPORTS_MOST, area, log_loss, log_odds, regress
from serving.triage.ranking import sigmoid
from tests.serving.triage.making import NOW


def decisions(count: int, truth: Weights, seed: int = 1) -> list[Decided]:
    drawn = random.Random(seed)
    found = []
    for number in range(count):
        features = Features(drawn.gauss(-1.5, 1.2), drawn.uniform(-0.2, 0.8), drawn.expovariate(0.6))
        upheld = drawn.random() < sigmoid(log_odds(features, truth))
        found.append(Decided(features, upheld, NOW + timedelta(minutes=number)))
    return found


OTHER = Weights(-1.0, 0.4, 1.5, 0.2)


def test_few_decisions_fit_nothing() -> None:
    for few in ([], decisions(DECISIONS - 1, OTHER)):
        found = fit(few)
        assert (found.weights, found.adopted, found.decisions) == (DEFAULT, False, len(few))
        assert str(DECISIONS) in found.why


def test_one_sided_decisions_fit_nothing() -> None:
    all_upheld = [Decided(one.features, True, one.at) for one in decisions(1000, OTHER)]
    assert not fit(all_upheld).adopted
    assert str(EACH) in fit(all_upheld).why


def test_a_site_that_differs_gets_its_own_weights() -> None:
    found = fit(decisions(3000, OTHER))
    assert found.adopted
    assert found.fitted_loss < found.default_loss
    for name in ("intercept", "text", "reports"):
        fitted, default, true = (getattr(each, name) for each in (found.weights, DEFAULT, OTHER))
        assert abs(fitted - true) < abs(default - true) / 2


def test_noise_does_not_replace_the_defaults() -> None:
    early = decisions(700, DEFAULT)
    # The early decisions are all the wrong way round, so that what is fitted to them fails on the later ones.
    wrong = [Decided(one.features, not one.upheld, one.at) if n < 490 else one for n, one in enumerate(early)]
    found = fit(wrong)
    assert (found.weights, found.adopted) == (DEFAULT, False)
    assert found.fitted_loss > found.default_loss


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.builds(Weights, st.floats(-2, 2), st.floats(0, 2), st.floats(0, 2), st.floats(0, 2)))
def test_what_is_adopted_is_never_worse_on_the_latest_decisions(seed: int, truth: Weights) -> None:
    made = decisions(400, truth, seed)
    found = fit(made)
    late = made[280:]
    assert log_loss(late, found.weights) <= log_loss(late, DEFAULT)
    if found.adopted:
        assert area(late, found.weights) >= area(late, DEFAULT)
    assert fit(made[::-1]) == found or math.isnan(found.default_loss)


def test_the_ridge_holds_the_weights_near_the_defaults() -> None:
    made = decisions(300, OTHER)
    assert regress(made, ridge=1e9).text == pytest.approx(DEFAULT.text, abs=1e-3)
    assert abs(regress(made, ridge=1.0).text - OTHER.text) < abs(regress(made, ridge=100.0).text - OTHER.text)


def test_weights_stay_within_their_bounds() -> None:
    backwards = [Decided(one.features, not one.upheld, one.at) for one in decisions(1000, Weights(0, 2, 1, 1))]
    found = regress(backwards)
    assert found.text == found.reports == 0
    assert regress(decisions(3000, Weights(-2, 0.5, 0.5, 3.0))).reports == REPORTS_MOST


def test_the_regression_is_the_known_one() -> None:
    made = decisions(800, Weights(-0.5, 0.8, 0.6, 0.4))
    zero = Weights(0, 0, 0, 0)
    rows = np.array([[1, one.features.text, one.features.fit, one.features.reports] for one in made])
    # scikit-learn's penalty is |w|² / 2C, toward zero.
    other = LogisticRegression(C=1 / 10, fit_intercept=False, tol=1e-10).fit(rows, [one.upheld for one in made])
    found = regress(made, zero, ridge=10.0)
    assert [found.intercept, found.text, found.fit, found.reports] == pytest.approx(other.coef_[0].tolist(), abs=1e-4)


def test_area_counts_ties_half() -> None:
    def one(text: float, upheld: bool) -> Decided:
        return Decided(Features(text, 0, 0), upheld, NOW)

    assert area([one(1, True), one(0, False)], DEFAULT) == 1
    assert area([one(0, True), one(0, False)], DEFAULT) == 0.5
    assert area([one(0, True), one(1, False), one(-1, False)], DEFAULT) == 0.5
    assert math.isnan(area([one(0, True)], DEFAULT))
