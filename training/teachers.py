"""Soft labels from earlier networks, for a network that starts from them to learn from beside the annotators' labels.

A mean of networks is right more often than each, and knows something of every attribute of every comment, where
annotators were asked for a few ("distillation": Hinton, Vinyals, Dean 2015, arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from serving.scorer import Scorer
from training import scoring

Floats = npt.NDArray[np.float32]


def teach(artifacts: Sequence[Path], texts: Sequence[str], attributes: tuple[str, ...], folder: Path) -> Floats:
    """Mean probability [texts, attributes] in 0..1 of the artifacts that score an attribute, NaN where none does.

    Of their logits before calibration: the student's are calibrated in the end. What was scored is kept in `folder`.
    """
    total = np.zeros((len(texts), len(attributes)), np.float32)
    votes = np.zeros(len(attributes), np.float32)
    for path in artifacts:
        scorer = Scorer.load(path)
        given = 1 / (1 + np.exp(-scoring.Kept(scorer, folder).logits(texts, f"asking {path.parent.name}")))
        for column, name in enumerate(attributes):
            if name in scorer.attributes:
                total[:, column] += given[:, scorer.attributes.index(name)]
                votes[column] += 1
    with np.errstate(invalid="ignore"):
        return np.where(votes > 0, total / votes, np.nan).astype(np.float32)
