"""Exact and near duplicates among texts, by MinHash over word triples (Broder 1997; library: rensa)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rensa import RMinHash, RMinHashLSH

WORD = re.compile(r"\w+")
PERMUTATIONS = 64
# Four rows a band find a pair at Jaccard 0.8 with probability above 0.999, at 0.5 with 0.64;
# candidates are then checked against the threshold itself.
BANDS = 16
SEED = 20_240_229


def fold(text: str) -> str:
    """The text's words in lower case, joined by spaces: equal for exact duplicates.

    A text without any word (emoji, punctuation) is its own fold.
    """
    return " ".join(WORD.findall(text.lower())) or text


def _triples(folded: str) -> list[str]:
    words = folded.split()
    return [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]


class Duplicates:
    """Finds earlier texts that a text repeats, at Jaccard similarity `threshold` and above (0..1]."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self.threshold = threshold
        self._folded = [fold(text) for text in texts]
        self._hashes: list[RMinHash] = RMinHash.from_token_sets(
            [_triples(folded) for folded in self._folded], num_perm=PERMUTATIONS, seed=SEED
        )
        self._exact: dict[str, int] = {}
        self._near = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=BANDS)

    def add(self, index: int) -> None:
        """Makes text `index` one that later texts may repeat."""
        self._exact.setdefault(self._folded[index], index)
        self._near.insert(index, self._hashes[index])

    def of(self, index: int) -> tuple[int | None, list[int]]:
        """The added text that equals text `index`, if any, and the added texts that nearly do."""
        exact = self._exact.get(self._folded[index])
        mine = self._hashes[index]
        near = [
            other
            for other in self._near.query(mine)
            if other != index and self._hashes[other].jaccard(mine) >= self.threshold
        ]
        return exact, near
