"""Order statistics of scores against decisions, with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval, by percentiles of a bootstrap (Efron 1979). NaN where it is not defined."""

    value: float
    low: float
    high: float


def auc(truth: Truth, scores: Floats) -> float:
    """Chance that a true row scores above another, ties counting half; NaN if there are not both."""
    high, low = scores[truth], np.sort(scores[~truth])
    if not len(high) or not len(low):
        return float("nan")
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / 2 / len(low))


def log_loss(truth: Truth, scores: Floats) -> float:
    """Mean log loss in nats; scores are cut to 0.001..0.999, as no text makes a thing certain."""
    sure = np.clip(scores, 0.001, 0.999)
    return float(-np.where(truth, np.log(sure), np.log1p(-sure)).mean())


def interval(value: float, samples: Floats) -> Interval:
    """The interval of a value from its resampled values; those that are not defined are left out."""
    defined = samples[~np.isnan(samples)]
    if not len(defined):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(defined, (2.5, 97.5))
    return Interval(value, float(low), float(high))
