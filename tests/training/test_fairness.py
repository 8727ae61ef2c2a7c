from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.fairness import bias, masks, power_mean

GENERATOR = np.random.default_rng(6)
TRUTH = GENERATOR.random(600) < 0.3
GROUP = GENERATOR.random(600) < 0.4
FAIR = GENERATOR.normal(TRUTH.astype(np.float64))
RAISED = FAIR + 1.5 * (GROUP & ~TRUTH)  # harmless mentions of the group score high


def test_masks_are_those_of_the_definitions() -> None:
    found = masks(TRUTH, GROUP)
    assert (found["subgroup"] == GROUP).all()
    assert (found["bpsn"] == ((~GROUP & TRUTH) | (GROUP & ~TRUTH))).all()
    assert (found["bnsp"] == ((~GROUP & ~TRUTH) | (GROUP & TRUTH))).all()


def test_aucs_by_group() -> None:
    found = bias(TRUTH, FAIR, {"us": GROUP}, seed=1)
    for kind, mask in masks(TRUTH, GROUP).items():
        assert found["groups"]["us"][kind]["value"] == round(float(roc_auc_score(TRUTH[mask], FAIR[mask])), 4)
    assert found["overall"]["value"] == round(float(roc_auc_score(TRUTH, FAIR)), 4)


def test_raised_harmless_mentions_show_in_bpsn_and_in_the_metric() -> None:
    fair, raised = (bias(TRUTH, scores, {"us": GROUP}, seed=1) for scores in (FAIR, RAISED))
    assert raised["groups"]["us"]["bpsn"]["high"] < fair["groups"]["us"]["bpsn"]["low"]
    assert raised["bias_metric"]["value"] < fair["bias_metric"]["value"]
    assert raised["groups"]["us"]["bnsp"] == fair["groups"]["us"]["bnsp"]


def test_metric_is_a_quarter_each() -> None:
    found = bias(TRUTH, FAIR, {"us": GROUP, "them": ~GROUP}, seed=1)
    parts = [found["overall"]["value"], *(item["value"] for item in found["power_means"].values())]
    assert found["bias_metric"]["value"] == pytest.approx(sum(parts) / 4, abs=2e-4)


def test_power_mean_is_near_the_worst() -> None:
    assert power_mean(np.array([0.5, 0.9, 0.9])) == pytest.approx(np.mean([0.5**-5, 0.9**-5, 0.9**-5]) ** -0.2)
    assert 0.5 < power_mean(np.array([0.5, 0.9, 0.9])) < np.mean([0.5, 0.9, 0.9])


def test_small_groups_are_named_and_left_out() -> None:
    few = np.zeros(600, np.bool_)
    few[:10] = True
    found = bias(TRUTH, FAIR, {"few": few}, seed=1)
    assert found["too_few"] == {"few": [int((few & TRUTH).sum()), int((few & ~TRUTH).sum())]}
    assert found["groups"] == {}
    assert "bias_metric" not in found
