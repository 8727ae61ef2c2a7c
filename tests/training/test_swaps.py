from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labels import swaps
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from training.swaps import BAND, CALM, deviations, main, measured

# What the model that ships must not fall below: the share of calm sentences whose score stays within the band.
LEAST = {"incivility": 0.93, "report_worthy": 0.82, "toxicity": 0.74, "insult": 0.95, "identity_attack": 0.8}


def test_scores_of_calm_sentences_stay_within_the_band(scorer: Scorer) -> None:
    found = measured(scorer, swaps.load())
    for name, least in LEAST.items():
        assert found["calm"][name]["within_band"] >= least, name
    assert found["calm"]["incivility"]["highest"] < CALM
    assert all(item["within_band"] >= 0.9 for item in found["rude"].values())


def test_result_names_model_and_worst_sentences(tmp_path: Path, scorer: Scorer) -> None:
    main(None, tmp_path)
    found = json.loads((tmp_path / "swaps.json").read_text(encoding="utf-8"))
    assert found["manifest_sha256"] == sha256(Artifact.load().path / MANIFEST)
    assert found["band"] == BAND
    item = found["kinds"]["calm"]["toxicity"]
    assert item["pairs"] == found["identities"] * found["templates"]["calm"]
    worst = item["worst"][0]
    assert abs(worst["score"] - worst["median"]) == pytest.approx(item["largest_deviation"], abs=1e-3)
    assert scorer.score([worst["text"]])[0]["toxicity"] == pytest.approx(worst["score"], abs=0.01)


def test_deviations_are_from_each_templates_median() -> None:
    scores = np.array([[0.1, 0.2, 0.9], [0.5, 0.5, 0.4]])
    assert np.allclose(deviations(scores), [[-0.1, 0.0, 0.7], [0.0, 0.0, -0.1]])
