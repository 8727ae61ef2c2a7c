"""Which words of a comment a score rests on, by occlusion: each is left out in turn, and the score taken again.

Occlusion (Zeiler and Fergus 2014; for words Li, Monroe, Jurafsky 2016) needs nothing of the model but its scores, so
that it explains every attribute, and what it says is true of the model by construction: a word's contribution is how
far the score falls without it. It costs one inference a word and is done on request only. How faithful its ranking is:
benchmarks/explanations.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.scorer import Scorer

# A word with what hides letters inside it, so that "f**k" goes as one; not the punctuation around it.
WORD = re.compile(r"\w+(?:[*@$#'’\-]+\w+)*", re.UNICODE)
MOST = 64  # words that are left out in turn; each costs an inference of at most MOST words
PARTS = 200  # parts of a long text that are scored to find the one to explain


@dataclass(frozen=True, slots=True)
class Reason:
    """A word at text[start:end] and its contribution: the score, 0..1, with it less that without it."""

    start: int
    end: int
    contribution: float


def words(text: str) -> list[tuple[int, int]]:
    """Places [start, end) of a text's words, in order."""
    return [m.span() for m in WORD.finditer(text)]


def without(text: str, places: Sequence[tuple[int, int]]) -> str:
    """The text without the characters at some places, which are in order and do not overlap."""
    parts, end = [], 0
    for start, stop in places:
        parts.append(text[end:start])
        end = stop
    return "".join((*parts, text[end:]))


def occlude(scorer: Scorer, text: str, attribute: str, most: int = MOST) -> list[Reason]:
    """The words of a text with their contributions to an attribute's score, in the text's order.

    Of a text of more than `most` words the part of that many words that scores highest is explained, by itself: for
    the attributes that a single window decides it is what decides. At most `most` + PARTS + 1 inferences, each of at
    most `most` words (of longer texts than `most` x PARTS words, of evenly chosen parts). No words: an empty list.

    Raises ValueError if the model has no such attribute or `most` is less than 1, ScoringError as `Scorer.score` does.
    """
    if attribute not in scorer.attributes:
        raise ValueError(f"no attribute is called {attribute!r}; there are {', '.join(scorer.attributes)}")
    if most < 1:
        raise ValueError(f"most: expected 1 or more words, found {most}")
    scorer.clean([text])
    places = words(text)
    if not places:
        return []
    start, stop, places = _part(scorer, text, attribute, places, most)
    inside = text[start:stop]
    left = [without(inside, [(begin - start, end - start)]) for begin, end in places]
    column = scorer.attributes.index(attribute)
    # What holds no visible character without the word has no score; its whole score is the word's.
    kept = [place for place, rest in enumerate(left) if WORD.search(rest)]
    scores = scorer.calibrate(scorer.logits([inside, *(left[place] for place in kept)]))[:, column]
    rest = np.zeros(len(left))
    rest[kept] = scores[1:]
    return [
        Reason(begin, end, float(scores[0] - value)) for (begin, end), value in zip(places, rest.tolist(), strict=True)
    ]


def _part(
    scorer: Scorer, text: str, attribute: str, places: list[tuple[int, int]], most: int
) -> tuple[int, int, list[tuple[int, int]]]:
    """Start, end and words of the part of a text to explain: all of it, or the highest of parts of `most` words."""
    if len(places) <= most:
        return 0, len(text), places
    starts = list(range(0, len(places), most))
    if len(starts) > PARTS:
        starts = [starts[number * len(starts) // PARTS] for number in range(PARTS)]
    parts = [places[start : start + most] for start in starts]
    scores = scorer.logits([text[part[0][0] : part[-1][1]] for part in parts])
    best = parts[int(np.argmax(scores[:, scorer.attributes.index(attribute)]))]
    return best[0][0], best[-1][1], best
