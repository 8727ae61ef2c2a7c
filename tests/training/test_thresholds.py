from __future__ import annotations

import numpy as np
import pytest

from training import bootstrap
from training.corpus import Corpus
from training.thresholds import SHARES, STEPS, at, measured, reaching

GENERATOR = np.random.default_rng(3)
TRUTH = GENERATOR.random(400) < 0.2
SCORES = np.clip(GENERATOR.normal(0.3 + 0.3 * TRUTH, 0.15), 0, 1)
WEIGHTS = bootstrap.draws(400, 100, seed=1)


def test_precision_recall_and_share_with_intervals() -> None:
    found = at(TRUTH, SCORES, 0.5, WEIGHTS)
    flagged = SCORES >= 0.5
    assert found["precision"]["value"] == round(float(TRUTH[flagged].mean()), 4)
    assert found["recall"]["value"] == round(float(flagged[TRUTH].mean()), 4)
    assert found["flagged"]["value"] == round(float(flagged.mean()), 4)
    for name in ("precision", "recall", "flagged"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_nothing_flagged_has_no_precision() -> None:
    found = at(TRUTH, SCORES, 2.0, WEIGHTS)
    assert found["precision"] is None
    assert found["recall"]["value"] == found["flagged"]["value"] == 0.0


@pytest.mark.parametrize("share", SHARES)
def test_threshold_that_flags_a_share_flags_no_more(share: float) -> None:
    threshold = reaching(SCORES, share)
    assert (threshold <= SCORES).mean() <= share
    assert (threshold - 0.001 <= SCORES).mean() > share


def test_equal_scores_cannot_be_told_apart() -> None:
    assert reaching(np.full(10, 0.4), 0.05) == pytest.approx(0.401)


def test_table_holds_every_step_and_share() -> None:
    labels, weights = np.empty((400, 0), np.float32), np.ones(400, np.float32)
    rows = Corpus(["a:1"] * 400, ["a"] * 400, ["text"] * 400, np.ones(400, np.bool_), labels, weights)
    found = measured(rows, TRUTH.astype(np.float64), SCORES, seed=5)
    assert found is not None
    assert [row["threshold"] for row in found["steps"]] == list(STEPS)
    assert [row["share"] for row in found["shares"]] == list(SHARES)
    assert (found["rows"], found["positives"], found["sources"]) == (400, int(TRUTH.sum()), ["a"])
    assert measured(rows, np.zeros(400), SCORES, seed=5) is None
