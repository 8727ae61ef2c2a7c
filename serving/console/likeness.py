"""Comments in much the same words as another one: what was copied, or said again with little changed.

Likeness is the share of words that two texts have in common, of all that either has; a word counts the more, the fewer
of the texts hold it (Jaccard's index, weighted by inverse document frequency). It is one of words, not of meaning.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

WORD = re.compile(r"\w{3,}")
ALIKE = 0.35  # likeness from which on two comments are called alike
NAMED = 3  # words that are named: the rarest, and of these the longest


@dataclass(frozen=True, slots=True)
class Alike:
    """A text that is like another one: its key, how much, 0..1, and the rarest words that both hold."""

    key: int
    likeness: float
    words: tuple[str, ...]

    @property
    def why(self) -> str:
        """The same for a moderator."""
        if self.likeness > 0.999:
            return "the same words"
        return "much the same words: " + ", ".join(f"“{word}”" for word in self.words)


def alike(text: str, others: Mapping[int, str]) -> list[Alike]:
    """Those of the other texts that are in much the same words, likest first; of equals the first ones first."""
    mine, theirs = _words(text), {key: _words(other) for key, other in others.items()}
    holders = Counter(word for words in (mine, *theirs.values()) for word in words)
    weights = {word: math.log((len(others) + 2) / count) for word, count in holders.items()}
    found = []
    for key, words in theirs.items():
        shared = mine & words
        every = math.fsum(weights[word] for word in mine | words)
        likeness = math.fsum(weights[word] for word in shared) / every if every else 0.0
        if likeness >= ALIKE:
            rarest = sorted(shared, key=lambda word: (-weights[word], -len(word), word))[:NAMED]
            found.append(Alike(key, likeness, tuple(rarest)))
    return sorted(found, key=lambda one: -one.likeness)


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text.casefold()))
