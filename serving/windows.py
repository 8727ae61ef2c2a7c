"""Long texts: cut into overlapping windows, and the windows' logits combined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def cut(tokens: Sequence[int], limit: int, overlap: int) -> list[Sequence[int]]:
    """Windows of at most `limit` tokens that together hold every token, each sharing `overlap` or more.

    The last window is moved back rather than left short, so that no window is a scrap without context.
    Requires 0 <= overlap < limit.
    """
    if len(tokens) <= limit:
        return [tokens]
    starts = list(range(0, len(tokens) - limit, limit - overlap))
    return [tokens[start : start + limit] for start in [*starts, len(tokens) - limit]]


def combine(
    logits: npt.NDArray[np.float32], sizes: npt.NDArray[np.int64], highest: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """One row of logits [attributes] from those of a text's windows [windows, attributes].

    Where `highest` [attributes] the window that has most of it decides: one bad sentence counts in a
    long text as it does alone. Elsewhere the mean, weighted by `sizes` [windows], the windows' tokens.
    """
    mean = np.average(logits, axis=0, weights=sizes).astype(np.float32)
    return np.where(highest, logits.max(axis=0), mean)
