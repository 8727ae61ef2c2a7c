"""Scoring many texts with a progress bar, and keeping what took long in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from serving.scorer import Scorer

Floats = npt.NDArray[np.float32]
CHUNK = 512


def logits(scorer: Scorer, texts: Sequence[str], what: str) -> Floats:
    """Uncalibrated logits [texts, attributes], with a progress bar titled `what`."""
    starts = range(0, len(texts), CHUNK)
    parts = [scorer.logits(texts[start : start + CHUNK]) for start in track(starts, what, transient=True)]
    return np.concatenate(parts) if parts else np.empty((0, len(scorer.attributes)), np.float32)


def keep(path: Path, compute: Callable[[], Floats]) -> Floats:
    """What `compute` gives, kept in `path`, so that an interrupted step goes on where it was.

    The path must name everything that the values depend on.
    """
    if path.is_file():
        stored: Floats = np.load(path, allow_pickle=False)
        return stored
    path.parent.mkdir(exist_ok=True)
    values = compute()
    partial = path.with_suffix(".partial.npy")
    np.save(partial, values)
    partial.rename(path)
    return values
