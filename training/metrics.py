"""Measures of scores against labels. Labels of one half or more count as positive; NaN is unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = npt.NDArray[np.floating]


def decided(labels: Floats) -> npt.NDArray[np.bool_]:
    """Which labels are known."""
    return ~np.isnan(labels)


def auc(labels: Floats, scores: Floats) -> float | None:
    """Area under the ROC curve, or None where only one class is present. Both of shape [rows]."""
    known = decided(labels)
    truth = labels[known] >= 0.5
    if truth.all() or not truth.any():
        return None
    return float(roc_auc_score(truth, scores[known]))


def average_precision(labels: Floats, scores: Floats) -> float | None:
    """Average precision, or None where there is no positive."""
    known = decided(labels)
    truth = labels[known] >= 0.5
    return float(average_precision_score(truth, scores[known])) if truth.any() else None


def mean_auc(labels: Floats, scores: Floats) -> float:
    """Mean AUC over the attributes where it exists. Both of shape [rows, attributes]."""
    found = [auc(labels[:, i], scores[:, i]) for i in range(labels.shape[1])]
    return float(np.mean([value for value in found if value is not None]))


def banded_auc(
    labels: Floats, scores: Floats, lengths: npt.NDArray[np.integer], bands: int = 10
) -> float | None:
    """AUC over pairs within the same length band: quantile bands of `lengths`, weighted by their pairs.

    Kolhatkar's constructive label is nearly a length label (AUC 0.98 over all pairs); within bands
    length alone scores about 0.60. None where no band holds both classes.
    """
    known = decided(labels)
    truth, values, size = labels[known] >= 0.5, scores[known], lengths[known]
    edges = np.quantile(size, np.linspace(0, 1, bands + 1)[1:-1])
    band = np.searchsorted(edges, size, side="right")
    total, weight = 0.0, 0
    for number in range(bands):
        inside = band == number
        yes = int(truth[inside].sum())
        pairs = yes * (int(inside.sum()) - yes)
        if pairs:
            total += pairs * float(roc_auc_score(truth[inside], values[inside]))
            weight += pairs
    return total / weight if weight else None


def calibration_error(labels: Floats, scores: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal-count bins, against soft labels (Naeini et al. 2015)."""
    known = decided(labels)
    truth, values = labels[known], scores[known]
    order = np.argsort(values, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(float(truth[part].mean()) - float(values[part].mean())) for part in parts]
    return float(sum(gaps) / max(1, len(values)))


def precision_recall(
    labels: Floats, scores: Floats, threshold: float
) -> tuple[float | None, float | None, float]:
    """Precision, recall and the share flagged at `score >= threshold`; None where undefined."""
    known = decided(labels)
    truth, flagged = labels[known] >= 0.5, scores[known] >= threshold
    hits = int((truth & flagged).sum())
    precision = hits / int(flagged.sum()) if flagged.any() else None
    recall = hits / int(truth.sum()) if truth.any() else None
    return precision, recall, float(flagged.mean()) if len(flagged) else 0.0


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile."""
    low, high = np.quantile(np.asarray(values), [0.025, 0.975])
    return float(low), float(high)
