from __future__ import annotations

import numpy as np
import pytest

from training.review import least_certain, together

TRUTH = np.array([True] * 20 + [False] * 80)
SCORES = np.concatenate([np.linspace(0.3, 0.9, 20), np.linspace(0.0, 0.6, 80)])


def test_people_get_those_nearest_to_the_threshold() -> None:
    chosen = least_certain(SCORES, 0.1)
    assert chosen.sum() == 10
    assert np.abs(SCORES[chosen] - 0.5).max() <= np.abs(SCORES[~chosen] - 0.5).min()


def test_without_a_budget_it_is_the_models_own_accuracy() -> None:
    found = together(TRUTH, SCORES, 0.0, seed=1)
    assert found["reviewed"] == 0
    assert found["accuracy"]["value"] == found["random"] == pytest.approx(((SCORES >= 0.5) == TRUTH).mean())


def test_review_where_it_is_uncertain_gains_more_than_at_random() -> None:
    found = [together(TRUTH, SCORES, budget, seed=1) for budget in (0.0, 0.05, 0.2)]
    accuracies = [item["accuracy"]["value"] for item in found]
    assert accuracies == sorted(accuracies)
    assert found[2]["accuracy"]["value"] > found[2]["random"] > found[0]["accuracy"]["value"]


def test_with_everything_reviewed_nothing_is_wrong() -> None:
    found = together(TRUTH, SCORES, 1.0, seed=1)
    assert found["accuracy"]["value"] == found["precision"]["value"] == found["recall"]["value"] == 1.0
