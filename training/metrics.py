"""Measures of scores against labels. Labels of one half or more count as positive; NaN is unknown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

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


def mean_auc(labels: Floats, scores: Floats) -> float:
    """Mean AUC over the attributes where it exists. Both of shape [rows, attributes]."""
    found = [auc(labels[:, i], scores[:, i]) for i in range(labels.shape[1])]
    return float(np.mean([value for value in found if value is not None]))


def length_bands(lengths: npt.NDArray[np.integer], bands: int = 10) -> npt.NDArray[np.int64]:
    """The quantile band, 0..bands-1, of each length."""
    edges = np.quantile(lengths, np.linspace(0, 1, bands + 1)[1:-1])
    return np.searchsorted(edges, lengths, side="right").astype(np.int64)


def reliability(labels: Floats, scores: Floats, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean score, mean label and rows of equal-count bins of the scores, lowest first."""
    known = decided(labels)
    truth, values = labels[known], scores[known]
    order = np.argsort(values, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [(round(float(values[p].mean()), 4), round(float(truth[p].mean()), 4), len(p)) for p in parts]


def calibration_error(labels: Floats, scores: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal-count bins, against soft labels (Naeini et al. 2015)."""
    parts = reliability(labels, scores, bins)
    return sum(rows * abs(truth - score) for score, truth, rows in parts) / max(1, sum(rows for *_, rows in parts))


def precision_recall(labels: Floats, scores: Floats, threshold: float) -> tuple[float | None, float | None, float]:
    """Precision, recall and the share flagged at `score >= threshold`; None where undefined."""
    known = decided(labels)
    truth, flagged = labels[known] >= 0.5, scores[known] >= threshold
    hits = int((truth & flagged).sum())
    precision = hits / int(flagged.sum()) if flagged.any() else None
    recall = hits / int(truth.sum()) if truth.any() else None
    return precision, recall, float(flagged.mean()) if len(flagged) else 0.0
