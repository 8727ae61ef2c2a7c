"""Bootstrap intervals of ranking measures, by reweighting rows instead of copying them (Efron 1979)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Interval:
    """A value on all rows, with the 2.5th and 97.5th percentile of its resamples."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, samples: Floats) -> Interval:
        """The interval of a value and its resampled values; those that are undefined are left out."""
        low, high = np.nanquantile(samples, [0.025, 0.975])
        return cls(round(value, 4), round(float(low), 4), round(float(high), 4))


def draws(rows: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each row comes in each resample: int64 [resamples, rows], each line summing to `rows`."""
    return np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=resamples)


def weighted_auc(truth: npt.NDArray[np.bool_] | Floats, scores: Floats, weights: npt.NDArray[np.int64]) -> Floats:
    """ROC AUC for each line of weights [resamples, rows]; NaN where a resample holds one class only.

    `truth` [rows] may be shares from 0 to 1, of annotators say: each row then counts as so much of a positive and as
    the rest of a negative, so that it is the AUC over single votes.
    """
    _, group = np.unique(scores, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    positive = np.add.reduceat((weights * truth)[:, order], starts, axis=1)
    negative = np.add.reduceat((weights * (1 - truth))[:, order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    wins = (positive * (below + negative / 2)).sum(axis=1)
    result: Floats = np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return result


def weighted_precision(truth: npt.NDArray[np.bool_], scores: Floats, weights: npt.NDArray[np.int64]) -> Floats:
    """Average precision for each line of weights [resamples, rows]; NaN without a positive.

    Tied scores enter together, as in scikit-learn's average_precision_score.
    """
    _, group = np.unique(-scores, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    positive = np.add.reduceat((weights * truth)[:, order], starts, axis=1)
    everything = np.add.reduceat(weights[:, order], starts, axis=1)
    hits, seen, total = np.cumsum(positive, axis=1), np.cumsum(everything, axis=1), positive.sum(axis=1)
    precision = np.divide(hits, seen, out=np.zeros(hits.shape), where=seen > 0)
    gained = (positive * precision).sum(axis=1)
    result: Floats = np.divide(gained, total, out=np.full(len(weights), np.nan), where=total > 0)
    return result


def weighted_banded_auc(
    truth: npt.NDArray[np.bool_], scores: Floats, bands: npt.NDArray[np.int64], weights: npt.NDArray[np.int64]
) -> Floats:
    """AUC over pairs of rows in the same band, weighted by their pairs, for each line of weights."""
    wins = np.zeros(len(weights))
    pairs = np.zeros(len(weights))
    for band in np.unique(bands):
        inside = np.flatnonzero(bands == band)
        mine = weights[:, inside]
        yes = (mine * truth[inside]).sum(axis=1)
        here = (yes * (mine.sum(axis=1) - yes)).astype(np.float64)
        wins += np.nan_to_num(weighted_auc(truth[inside], scores[inside], mine)) * here
        pairs += here
    result: Floats = np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return result
