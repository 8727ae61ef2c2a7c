from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.hatecheck import best_threshold, macro_f1, overall
from training.published import published

TRUTH = np.array([True, True, True, False, False])


@pytest.mark.parametrize("flagged", [[1, 1, 0, 0, 1], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [1, 1, 1, 0, 0]])
def test_macro_f1(flagged: list[int]) -> None:
    said = np.array(flagged, np.bool_)
    assert macro_f1(TRUTH, said) == pytest.approx(f1_score(TRUTH, said, average="macro"))


def test_best_threshold_is_the_lowest_of_the_best() -> None:
    scores = np.array([0.62, 0.7, 0.9, 0.2, 0.304])
    assert best_threshold(TRUTH, scores) == pytest.approx(0.31)
    assert overall(TRUTH, scores >= 0.31) == {"accuracy": 1.0, "macro_f1": 1.0, "hateful": 1.0, "other": 1.0}


def test_published_figures_agree_with_their_own_totals() -> None:
    table = published("hatecheck")
    assert len(table["functionalities"]) == 29
    for _, *figures in table["functionalities"].values():
        assert len(figures) == len(table["models"])
        assert all(0 <= value <= 100 for value in figures)
    # Cases that are hateful: 2,563 of 3,728, as published.
    for model in table["models"]:
        accuracy, _, hateful, other = table["overall"][model]
        assert accuracy == pytest.approx((2563 * hateful + 1165 * other) / 3728, abs=0.1)
    assert table["source"].startswith("https://")
