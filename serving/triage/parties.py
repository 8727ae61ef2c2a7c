"""Readers who report the same comments again and again: they count as one reader, not as many.

The agreement that diminishing returns take for granted is that of strangers. Accounts that one person or one group
steers agree far more, also where each has an excellent record and they take their time, so that no burst shows.
Readers are companions if they share at least SHARED reported comments, more than half of all that either reported
(Jaccard 1901's index above ALIKE); a party is companions and their companions. Above one half, nobody can join two
readers who have nothing in common by reporting what both do. Two honest readers who see the same things may become
a party too: then the better of them still counts fully.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

SHARED = 3
ALIKE = 0.5
AT_ONCE = 512  # readers compared with all others at a time: bounds the memory


def parties(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Reader -> name of the party, of those who are in one; from (reporter, comment) pairs, in any order."""
    reported: dict[str, set[str]] = defaultdict(set)
    for reporter, comment in pairs:
        reported[reporter].add(comment)
    active = sorted(reporter for reporter, comments in reported.items() if len(comments) >= SHARED)
    if len(active) < 2:
        return {}
    columns = {comment: number for number, comment in enumerate(sorted(set().union(*(reported[a] for a in active))))}
    matrix = np.zeros((len(active), len(columns)), np.float32)
    for row, reporter in enumerate(active):
        matrix[row, [columns[comment] for comment in reported[reporter]]] = 1
    sizes = matrix.sum(axis=1)
    party = np.arange(len(active))  # the least row of those joined so far
    for start in range(0, len(active), AT_ONCE):
        shared = matrix[start : start + AT_ONCE] @ matrix.T
        either = sizes[start : start + AT_ONCE, None] + sizes[None, :] - shared
        for offset, companions in enumerate((shared >= SHARED) & (shared > ALIKE * either)):
            joined = np.unique(party[companions])  # every reader is their own companion
            if len(joined) > 1 or joined[0] != party[start + offset]:
                party[np.isin(party, joined)] = joined[0]
    counts = np.bincount(party, minlength=len(active))
    return {reader: active[mine] for reader, mine in zip(active, party.tolist(), strict=True) if counts[mine] > 1}
