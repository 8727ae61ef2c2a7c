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


def fit(values: Floats, labels: Floats) -> Line | None:
    """The line for values [rows] and soft labels [rows] in 0..1, NaN unknown; None if one class is absent."""
    known = ~np.isnan(labels)
    x, soft = np.asarray(values, np.float64)[known][:, None], np.asarray(labels, np.float64)[known]
    if not 0 < soft.sum() < len(soft):
        return None
    # A soft label is two weighted rows, one of each class.
    model = LogisticRegression(C=1e3, max_iter=1000)
    model.fit(
        np.concatenate([x, x]),
        np.concatenate([np.ones_like(soft), np.zeros_like(soft)]),
        sample_weight=np.concatenate([soft, 1 - soft]),
    )
    return Line(float(model.coef_[0, 0]), float(model.intercept_[0]))
