"""What is reported of one attribute's scores on one set of labelled comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from training import bootstrap
from training.bootstrap import Interval
from training.metrics import calibration_error, length_bands, precision_recall, reliability

Floats = npt.NDArray[np.floating]
FEWEST = 8  # positives and negatives below which nothing is reported: no interval would mean anything


def measure(
    labels: Floats,
    scores: Floats,
    rivals: Mapping[str, Floats],
    thresholds: Sequence[float],
    weights: npt.NDArray[np.int64],
) -> dict[str, Any] | None:
    """Measures of scores [rows] against labels [rows], all known; None with fewer than FEWEST of a class.

    `rivals` are other scores of the same rows, by name; NaN throughout where a rival has none. For each
    the AUC is given, and the gain of `scores` over it. `weights` [resamples, rows] are bootstrap draws.
    """
    truth = labels >= 0.5
    if min(int(truth.sum()), int((~truth).sum())) < FEWEST:
        return None
    every = np.ones((1, len(truth)), np.int64)
    ours = bootstrap.weighted_auc(truth, scores, np.concatenate([every, weights]))
    precision = bootstrap.weighted_precision(truth, scores, np.concatenate([every, weights]))
    result: dict[str, Any] = {
        "rows": len(truth),
        "positives": int(truth.sum()),
        "auc": asdict(Interval.of(ours[0], ours[1:])),
        "average_precision": asdict(Interval.of(precision[0], precision[1:])),
        "calibration_error": round(calibration_error(labels, scores), 4),
        "reliability": reliability(labels, scores),
        "thresholds": [],
        "rivals": {},
    }
    for threshold in thresholds:
        hit, found, flagged = precision_recall(labels, scores, threshold)
        row = {"threshold": threshold, "precision": hit, "recall": found, "flagged": flagged}
        result["thresholds"].append({k: v if v is None else round(v, 4) for k, v in row.items()})
    for name, other in rivals.items():
        if not np.isnan(other).any():
            theirs = bootstrap.weighted_auc(truth, other, np.concatenate([every, weights]))
            result["rivals"][name] = {
                "auc": round(float(theirs[0]), 4),
                "gain": asdict(Interval.of(ours[0] - theirs[0], (ours - theirs)[1:])),
            }
    return result


def within_bands(
    labels: Floats,
    scores: Floats,
    rivals: Mapping[str, Floats],
    lengths: npt.NDArray[np.integer],
    weights: npt.NDArray[np.int64],
) -> dict[str, Any]:
    """AUC within length deciles, weighted by pairs, of the scores (with interval) and of each rival.

    Only pairs of like length count, so that counting words gains little.
    """
    truth, bands = labels >= 0.5, length_bands(lengths)
    every = np.ones((1, len(truth)), np.int64)
    ours = bootstrap.weighted_banded_auc(truth, scores, bands, np.concatenate([every, weights]))
    return {
        "auc": asdict(Interval.of(ours[0], ours[1:])),
        "rivals": {
            name: round(float(bootstrap.weighted_banded_auc(truth, other, bands, every)[0]), 4)
            for name, other in rivals.items()
            if not np.isnan(other).any()
        },
    }
