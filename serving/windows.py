"""Long texts: cut into overlapping windows and into sentences, and the logits of both combined."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
import numpy.typing as npt

# Tokens of a sentence that is read by itself: shorter ones go with the next, longer ones are cut.
LEAST, MOST = 8, 62
# What a sentence's logit must exceed that of the windows by: alone it is read without what may excuse it.
# Chosen on development rows: docs/robustness.md.
DISCOUNT = 2.5
# Tokens of a text's windows, and of its sentences, that are scored. The longest English comment that is taken, 20,480
# bytes, has some 6,000 in windows. Signs, other scripts and noise have more, for seconds in which others wait.
BOUND = 6_144


def cut(tokens: Sequence[int], limit: int, overlap: int) -> list[Sequence[int]]:
    """Windows of at most `limit` tokens that together hold every token, each sharing `overlap` or more.

    The last window is moved back rather than left short, so that no window is a scrap without context.
    Requires 0 <= overlap < limit.
    """
    if len(tokens) <= limit:
        return [tokens]
    starts = list(range(0, len(tokens) - limit, limit - overlap))
    return [tokens[start : start + limit] for start in [*starts, len(tokens) - limit]]


def sentences(tokens: Sequence[int], ends: Container[int], limit: int) -> list[Sequence[int]]:
    """Sentences of at most `limit` and MOST tokens that together hold every token; `ends`: full stops and the like."""
    limit = min(limit, MOST)
    found: list[Sequence[int]] = []
    start = 0
    for end, token in enumerate(tokens, 1):
        ended = token in ends and end - start >= LEAST and (end == len(tokens) or tokens[end] not in ends)
        if ended or end - start == limit:
            found.append(tokens[start:end])
            start = end
    if start < len(tokens):
        found.append(tokens[max(0, min(start, len(tokens) - LEAST)) :])
    return found


def bounded(pieces: Sequence[Sequence[int]], most: int = BOUND) -> list[int]:
    """Numbers of the windows or sentences of a text that are read: all, or if they have more than `most` tokens those
    with the most different ones. What is there several times counts once.
    """
    distinct = list(dict.fromkeys(map(tuple, pieces)))
    if sum(map(len, distinct)) <= most:
        return list(range(len(pieces)))
    kept: set[tuple[int, ...]] = set()
    for piece in sorted(distinct, key=lambda piece: -len(set(piece))):
        if len(piece) <= most:
            kept.add(piece)
            most -= len(piece)
    return [number for number, piece in enumerate(pieces) if tuple(piece) in kept]


def combine(
    logits: npt.NDArray[np.float32],
    sizes: npt.NDArray[np.int64],
    highest: npt.NDArray[np.bool_],
    closer: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """One row of logits [attributes] from those of a text's windows [windows, attributes].

    Where `highest` [attributes] the window that has most of it decides, or the sentence, of `closer` [sentences,
    attributes], if it has more by DISCOUNT: one bad sentence counts in a long text too. Elsewhere the mean, weighted
    by `sizes` [windows], the windows' tokens.
    """
    mean = np.average(logits, axis=0, weights=sizes).astype(np.float32)
    most = np.maximum(logits.max(axis=0), closer.max(axis=0) - np.float32(DISCOUNT))
    return np.where(highest, most, mean)
