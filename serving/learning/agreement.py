"""Two models against the same decisions of a site's moderators: which one is nearer, and how sure that is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from serving.learning.labels import stands
from serving.moderation.tables import Decision, Revision, RevisionScores
from serving.statistics import Interval, auc, interval, log_loss

RESAMPLES = 1000
SEED = 1
ATTRIBUTE = "report_worthy"  # what a decision is about
# With fewer removals or other decisions than this a comparison says nothing.
FEWEST = 10


@dataclass(frozen=True)
class Compared:
    """Decisions that both models have scored, `removed` of them removals, and two figures of them.

    Each is of the live model, of the candidate, and of candidate less live, with the same decisions resampled for all
    three. AUC: higher is better; log loss: lower.
    """

    decisions: int
    removed: int
    auc: tuple[Interval, Interval, Interval]
    log_loss: tuple[Interval, Interval, Interval]

    @property
    def enough(self) -> bool:
        """Whether there are decisions of both kinds to say anything."""
        return min(self.removed, self.decisions - self.removed) >= FEWEST


def compare(session: Session, live: str, candidate: str, since: datetime, site: str | None = None) -> Compared:
    """Both models' scores of the comments that moderators have decided since a moment, against the decisions.

    `since` should be when the candidate came: it cannot have been trained on later decisions. A removal that was undone
    is left out, one overturned on appeal counts as kept.
    """
    one, other = aliased(RevisionScores), aliased(RevisionScores)
    chosen = (
        select(Decision.action, Decision.overturned_at, one.scores, other.scores)
        .join(Revision, (Revision.comment_id == Decision.comment_id) & (Revision.number == Decision.revision))
        .join(one, (one.revision_id == Revision.id) & (one.model == live))
        .join(other, (other.revision_id == Revision.id) & (other.model == candidate))
        .where(Decision.at >= since, *stands(Decision))
        .order_by(Decision.at, Decision.id)
    )
    if site is not None:
        chosen = chosen.where(Decision.site_id == site)
    rows = [row for row in session.execute(chosen) if ATTRIBUTE in row[2] and ATTRIBUTE in row[3]]
    truth = np.array([action == "remove" and overturned is None for action, overturned, _, _ in rows], np.bool_)
    scores = np.array([[mine[ATTRIBUTE], theirs[ATTRIBUTE]] for _, _, mine, theirs in rows]).reshape(-1, 2)
    if not len(rows):
        nothing = (Interval(float("nan"), float("nan"), float("nan")),) * 3
        return Compared(0, 0, nothing, nothing)
    draws = np.random.default_rng(SEED).integers(0, len(rows), (RESAMPLES, len(rows)))

    def measured(measure: Any) -> tuple[Interval, Interval, Interval]:
        values = [measure(truth, scores[:, column]) for column in (0, 1)]
        samples = np.array([[measure(truth[rows], scores[rows, column]) for column in (0, 1)] for rows in draws])
        return (
            interval(values[0], samples[:, 0]),
            interval(values[1], samples[:, 1]),
            interval(values[1] - values[0], samples[:, 1] - samples[:, 0]),
        )

    return Compared(len(rows), int(truth.sum()), measured(auc), measured(log_loss))


def standing(live: Path, candidate: Path) -> list[tuple[str, Interval, Interval]]:
    """The bars of two evaluations (evaluation.json of training.evaluate) that have the same rows, by what they measure.

    Raises ValueError for a file that is not one.
    """
    ours, theirs = _bars(live), _bars(candidate)
    return [(what, ours[what], theirs[what]) for what in ours if what in theirs]


def _bars(path: Path) -> dict[str, Interval]:
    try:
        bars = json.loads(path.read_text(encoding="utf-8"))["bars"]
        return {
            f"{bar['what']} ({bar['rows']:,} rows)": Interval(*(bar["result"][key] for key in ("value", "low", "high")))
            for bar in bars
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not an evaluation of training.evaluate ({type(error).__name__})") from None
