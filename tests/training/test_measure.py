from __future__ import annotations

import numpy as np

from training import bootstrap
from training.measure import FEWEST, by_share, measure, within_bands

GENERATOR = np.random.default_rng(0)
TRUTH = np.array([0.0, 1.0] * 100)
GOOD = TRUTH + GENERATOR.normal(size=200)
GOOD = (GOOD - GOOD.min()) / (GOOD.max() - GOOD.min())
POOR = GENERATOR.random(200)
WEIGHTS = bootstrap.draws(200, 100, seed=1)


def test_too_few_of_one_class_are_not_measured() -> None:
    labels = np.array([1.0] * (FEWEST - 1) + [0.0] * 20)
    weights = bootstrap.draws(len(labels), 10, seed=0)
    assert measure(labels, labels, {}, (0.5,), weights) is None
    assert measure(1 - labels, labels, {}, (0.5,), weights) is None
    enough = np.append(labels, 1.0)
    assert measure(enough, enough, {}, (0.5,), bootstrap.draws(len(enough), 10, seed=0)) is not None


def test_gain_over_a_rival_has_an_interval() -> None:
    found = measure(TRUTH, GOOD, {"poor": POOR, "same": GOOD}, (0.5, 2.0), WEIGHTS)
    assert found is not None
    poor, same = found["rivals"]["poor"], found["rivals"]["same"]
    assert poor["gain"]["low"] > 0
    assert poor["gain"]["value"] == round(found["auc"]["value"] - poor["auc"], 4)
    assert same["gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert (found["rows"], found["positives"]) == (200, 100)
    assert found["thresholds"][1] == {"threshold": 2.0, "precision": None, "recall": 0.0, "flagged": 0.0}


def test_rival_without_scores_is_left_out() -> None:
    found = measure(TRUTH, GOOD, {"none": np.full(200, np.nan)}, (0.5,), WEIGHTS)
    assert found is not None
    assert found["rivals"] == {}


def test_what_convinces_nobody_is_measured_by_the_share_of_annotators() -> None:
    shares = TRUTH * 0.3
    assert measure(shares, GOOD, {}, (0.5,), WEIGHTS) is None
    found = by_share(shares, GOOD, {"poor": POOR, "none": np.full(200, np.nan)}, WEIGHTS)
    assert found is not None
    assert (found["rows"], found["share"]) == (200, 0.15)
    assert 0.5 < found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"] < 1
    assert found["rivals"].keys() == {"poor"}
    assert found["rivals"]["poor"]["gain"]["low"] > 0
    # Not where `measure` has a result, where nothing is a share, or where shares are next to nothing.
    assert by_share(TRUTH, GOOD, {}, WEIGHTS) is None
    assert by_share(np.where(np.arange(200) < FEWEST - 1, 1.0, 0.0), GOOD, {}, WEIGHTS) is None
    assert by_share(shares / 10, GOOD, {}, WEIGHTS) is None


def test_length_gains_nothing_within_bands_of_equal_length() -> None:
    lengths = np.where(TRUTH > 0, 500, 100) + GENERATOR.integers(0, 3, 200)
    lengths[:40] = 300
    found = within_bands(TRUTH, GOOD, {"length": lengths / 1000}, lengths, WEIGHTS)
    # Length alone tells all pairs apart but those of one band, where it knows nothing.
    assert found["rivals"]["length"] == 0.5
    assert found["auc"]["low"] > 0.5
