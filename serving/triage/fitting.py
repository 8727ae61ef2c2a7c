"""Weights fitted to a site's own decisions, once there are enough, and used only if they prove no worse.

Logistic regression with a ridge penalty that pulls toward the default weights instead of toward zero (le Cessie and
van Houwelingen 1992, "Ridge Estimators in Logistic Regression", Applied Statistics 41, with another centre): few
decisions move the weights little. By Newton's method; weights that would leave their bounds are held there, so that
what ranking.py promises also holds for fitted weights, its constants included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from serving.statistics import auc
from serving.triage.ranking import DEFAULT, Features, Weights, sigmoid

DECISIONS = 200  # fewer decisions than this fit nothing
EACH = 30  # nor do fewer of either outcome
HELD_OUT = 0.3  # share of the decisions, the latest, on which fitted weights must prove themselves
RIDGE = 10.0  # penalty on (weight - default)² / 2: as much as some dozens of decisions say
# Decisions of quiet weeks say that readers are right, and cannot tell what a campaign yet to come would do with more
# weight on reports: a site's own weights give them less than the default one, never more.
REPORTS_MOST = DEFAULT.reports

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decided:
    """A case as it stood just before a moderator decided it, and the decision.

    The features must be of that moment (`Ranked.features`): a reader's record that already contains the decision
    would teach the weights to trust records more than they deserve.
    """

    features: Features
    upheld: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights to use, whether they are fitted ones, and why. Losses: mean log loss on the held-out decisions, in nats;
    NaN where nothing was held out.
    """

    weights: Weights
    adopted: bool
    why: str
    decisions: int
    default_loss: float = math.nan
    fitted_loss: float = math.nan


def fit(decided: Sequence[Decided], default: Weights = DEFAULT) -> Fit:
    """Weights for a site from its decisions; the default ones unless the fitted are better on held-out decisions.

    Held out are the latest decisions, as in use. Better means a lower log loss and no worse an order (AUC).
    """
    ordered = sorted(decided, key=lambda one: (one.at, one.features.text, one.features.reports, one.upheld))
    upheld = sum(one.upheld for one in ordered)
    if len(ordered) < DECISIONS or min(upheld, len(ordered) - upheld) < EACH:
        why = f"{len(ordered)} decisions, {upheld} upheld: expected {DECISIONS}, and {EACH} of either outcome"
        return Fit(default, False, why, len(ordered))
    cut = round(len(ordered) * (1 - HELD_OUT))
    weights = regress(ordered[:cut], default)
    late = ordered[cut:]
    losses = log_loss(late, default), log_loss(late, weights)
    if losses[1] >= losses[0] or area(late, weights) < area(late, default):
        why = "the fitted weights are no better on the latest decisions"
        return Fit(default, False, why, len(ordered), *losses)
    return Fit(weights, True, "the fitted weights are better on the latest decisions", len(ordered), *losses)


def regress(decided: Sequence[Decided], default: Weights = DEFAULT, ridge: float = RIDGE) -> Weights:
    """The weights of the highest penalised likelihood, none but the intercept negative, reports ≤ REPORTS_MOST."""
    rows = np.array([[1.0, one.features.text, one.features.fit, one.features.reports] for one in decided])
    wanted = np.array([one.upheld for one in decided], np.float64)
    centre = np.array([default.intercept, default.text, default.fit, default.reports], np.float64)
    least = np.array([-np.inf, 0.0, 0.0, 0.0])
    most = np.array([np.inf, np.inf, np.inf, max(REPORTS_MOST, default.reports)])
    weights, free = centre.copy(), np.ones(len(centre), np.bool_)
    while True:
        for _ in range(50):
            step = _newton(rows, wanted, weights, centre, free, ridge)
            weights[free] -= step
            if float(np.abs(step).max(initial=0.0)) < 1e-9:
                break
        outside = (weights < least) | (weights > most)
        weights = np.clip(weights, least, most)
        if not outside.any():
            return Weights(*weights.tolist())
        free &= ~outside


def _newton(
    rows: Floats, wanted: Floats, weights: Floats, centre: Floats, free: npt.NDArray[np.bool_], ridge: float
) -> Floats:
    """The step to subtract from the free weights."""
    expected = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
    columns = rows[:, free]
    gradient = columns.T @ (expected - wanted) + ridge * (weights - centre)[free]
    curvature = (columns * (expected * (1 - expected))[:, None]).T @ columns + ridge * np.eye(int(free.sum()))
    return np.asarray(np.linalg.solve(curvature, gradient), np.float64)


def log_odds(features: Features, weights: Weights) -> float:
    """The log-odds that ranking.py gives a case of these features, up to rounding."""
    return (
        weights.intercept
        + weights.text * features.text
        + weights.fit * features.fit
        + weights.reports * features.reports
    )


def log_loss(decided: Sequence[Decided], weights: Weights) -> float:
    """Mean log loss, in nats."""
    losses = []
    for one in decided:
        value = log_odds(one.features, weights)
        losses.append(-math.log(max(sigmoid(value if one.upheld else -value), 1e-300)))
    return math.fsum(losses) / len(losses)


def area(decided: Sequence[Decided], weights: Weights) -> float:
    """Chance that an upheld case ranks above a declined one, ties counting half; NaN if there are not both."""
    values = np.array([log_odds(one.features, weights) for one in decided])
    return auc(np.array([one.upheld for one in decided], np.bool_), values)
