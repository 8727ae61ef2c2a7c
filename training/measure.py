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
    if not _enough(truth):
        return None
    weights = _with_all(weights)
    precision = bootstrap.weighted_precision(truth, scores, weights)
    result: dict[str, Any] = {
        "rows": len(truth),
        "positives": int(truth.sum()),
        "average_precision": asdict(Interval.of(precision[0], precision[1:])),
        "calibration_error": round(calibration_error(labels, scores), 4),
        "reliability": reliability(labels, scores),
        "thresholds": [],
    }
    for threshold in thresholds:
        hit, found, flagged = precision_recall(labels, scores, threshold)
        row = {"threshold": threshold, "precision": hit, "recall": found, "flagged": flagged}
        result["thresholds"].append({k: v if v is None else round(v, 4) for k, v in row.items()})
    return result | _ranking(truth, scores, rivals, weights)


def by_share(
    labels: Floats, scores: Floats, rivals: Mapping[str, Floats], weights: npt.NDArray[np.int64]
) -> dict[str, Any] | None:
    """The AUC of scores against shares of annotators, for what hardly ever convinces half of them; as `measure`.

    Each vote counts by itself, so that the best possible value lies below 1. None where `measure` has a result, where
    no label is a share, or where all shares together are fewer than FEWEST comments.
    """
    if _enough(labels >= 0.5) or np.isin(labels, (0, 1)).all() or labels.sum() < FEWEST:
        return None
    return {"rows": len(labels), "share": round(float(labels.mean()), 4)} | _ranking(
        labels, scores, rivals, _with_all(weights)
    )


def _enough(truth: npt.NDArray[np.bool_]) -> bool:
    return min(int(truth.sum()), int((~truth).sum())) >= FEWEST


def _with_all(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """All rows once, then the resamples."""
    return np.concatenate([np.ones((1, weights.shape[1]), np.int64), weights])


def _ranking(
    truth: npt.NDArray[np.bool_] | Floats, scores: Floats, rivals: Mapping[str, Floats], weights: npt.NDArray[np.int64]
) -> dict[str, Any]:
    ours = bootstrap.weighted_auc(truth, scores, weights)
    result: dict[str, Any] = {"auc": asdict(Interval.of(ours[0], ours[1:])), "rivals": {}}
    for name, other in rivals.items():
        if not np.isnan(other).any():
            theirs = bootstrap.weighted_auc(truth, other, weights)
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
    weights = _with_all(weights)
    ours = bootstrap.weighted_banded_auc(truth, scores, bands, weights)
    return {
        "auc": asdict(Interval.of(ours[0], ours[1:])),
        "rivals": {
            name: round(float(bootstrap.weighted_banded_auc(truth, other, bands, weights[:1])[0]), 4)
            for name, other in rivals.items()
            if not np.isnan(other).any()
        },
    }
