"""Logistic regression of soft labels on one number: calibration (Platt 1999) and the length prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Line:
    """P = sigmoid(slope x value + intercept)."""

    slope: float
    intercept: float

    def predict(self, values: Floats) -> Floats:
        """Probabilities in 0..1 of the values."""
        result: Floats = 1 / (1 + np.exp(-np.clip(self.slope * values + self.intercept, -30, 30)))
        return result


def fit(values: Floats, labels: Floats, weights: Floats | None = None) -> Line | None:
    """The line for values [rows] and soft labels [rows] in 0..1, NaN unknown; None if one class is absent.

    `weights` [rows], more than 0, say how much a row counts; all the same if None.
    """
    known = ~np.isnan(labels)
    x, soft = np.asarray(values, np.float64)[known][:, None], np.asarray(labels, np.float64)[known]
    counts = np.ones(len(soft)) if weights is None else np.asarray(weights, np.float64)[known]
    if not 0 < soft.sum() < len(soft):
        return None
    # A soft label is two weighted rows, one of each class.
    model = LogisticRegression(C=1e3, max_iter=1000)
    model.fit(
        np.concatenate([x, x]),
        np.concatenate([np.ones_like(soft), np.zeros_like(soft)]),
        sample_weight=np.concatenate([counts * soft, counts * (1 - soft)]),
    )
    return Line(float(model.coef_[0, 0]), float(model.intercept_[0]))


def shift(scores: Floats, labels: Floats, weights: Floats | None = None) -> float:
    """The number to add to the log-odds of scores [rows], so that their mean is that of the labels [rows].

    It is the likeliest one. Scores and labels are in 0..1, and both means must be inside it.
    """
    counts = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    odds = np.log(np.clip(scores, 1e-9, 1 - 1e-9)) - np.log1p(-np.clip(scores, 1e-9, 1 - 1e-9))
    wanted = float(np.average(labels, weights=counts))
    low, high = -40.0, 40.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        mean = float(np.average(1 / (1 + np.exp(-np.clip(odds + middle, -40, 40))), weights=counts))
        low, high = (middle, high) if mean < wanted else (low, middle)
    return (low + high) / 2
