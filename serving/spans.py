"""Which words of a text are toxic, as the model's token-level head says: from tokens' logits to spans.

Training and evaluation go through `joined` too, so that what is measured is what is served.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from serving.text import Span, aligned
from serving.windows import bounded, cut

Floats = npt.NDArray[np.float32]
# Windows without special tokens -> in any order their numbers and token logits [windows, tokens or more], the first
# of each row that of the special token before the window.
Infer = Callable[[Sequence[Sequence[int]]], Iterable[tuple[Sequence[int], Floats]]]


class NoSpansError(ValueError):
    """The model has no head that marks words."""


@dataclass(frozen=True, slots=True)
class ToxicSpan:
    """Characters `start` to `end`, exclusive, of a text; `score` is the highest probability of its tokens, 0..1."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A text's tokens, special ones left out, each field [tokens]; empty where the tokenizer finds nothing in a text.

    `places` are [start, end) in the text as it was passed in, never going backwards; `words` numbers the word that each
    token is a piece of; `punctuation` tells those that are nothing else; `logits` are uncalibrated.
    """

    places: tuple[Span, ...]
    words: tuple[int, ...]
    punctuation: tuple[bool, ...]
    logits: Floats


def joined(text: str, tokens: Tokens, probabilities: Floats, threshold: float) -> list[ToxicSpan]:
    """The marked parts of a text, in order, none overlapping another; `probabilities` [tokens] in 0..1.

    - A word is marked whole where one of its pieces reaches the threshold: people mark words, and the pieces of a
      rare word are the tokenizer's. Each mark of punctuation is a word of its own.
    - Marked words with nothing but white space and punctuation between them are one span, with what is between.
    - A span neither begins nor ends with white space.
    """
    found: list[ToxicSpan] = []
    near = False  # nothing but punctuation since the last span
    for start, end, punctuation, score in _words(tokens, probabilities):
        if score < threshold:
            near = near and punctuation
            continue
        # Words that come from one character (in "½", which is "1⁄2") have the same place and must not overlap either.
        if found and (near or start < found[-1].end):
            before = found.pop()
            start, end, score = before.start, max(before.end, end), max(before.score, score)
        found.append(ToxicSpan(start, end, score))
        near = True
    return [trimmed for span in found if (trimmed := _trimmed(text, span))]


def read(texts: Sequence[str], tokenizer: Tokenizer, infer: Infer, limit: int, overlap: int) -> list[Tokens]:
    """The tokens of each text, with their logits by `infer`.

    Longer texts are cut into windows of `limit` tokens that share `overlap`; a token in two windows has the higher
    logit, one in none that is read (`serving.windows.bounded`) minus infinity. A text may have no lone surrogates.
    """
    forms = [aligned(text) for text in texts]
    encodings = tokenizer.encode_batch([clean for clean, _ in forms], add_special_tokens=False)
    windows: list[Sequence[int]] = []
    owners: list[tuple[int, int]] = []
    for owner, encoding in enumerate(encodings):
        ids = encoding.ids
        places = [(numbers[0], numbers[-1] + 1) for numbers in cut(range(len(ids)), limit, overlap) if numbers]
        cuts = [ids[start:end] for start, end in places]
        for number in bounded(cuts):
            windows.append(cuts[number])
            owners.append((owner, places[number][0]))
    logits = [np.full(len(encoding.ids), -np.inf, np.float32) for encoding in encodings]
    for batch, rows in infer(windows):
        for number, row in zip(batch, rows, strict=True):
            owner, start = owners[number]
            mine = logits[owner][start : start + len(windows[number])]
            np.maximum(mine, row[1 : len(mine) + 1], out=mine)
    return [
        Tokens(
            tuple((places[start][0], places[end - 1][1]) for start, end in encoding.offsets),
            cast(tuple[int, ...], tuple(encoding.word_ids)),  # None for special tokens only
            tuple(_punctuation(clean[start:end]) for start, end in encoding.offsets),
            values,
        )
        for encoding, (clean, places), values in zip(encodings, forms, logits, strict=True)
    ]


def utf16(text: str, found: Sequence[ToxicSpan]) -> list[Span]:
    """Places [begin, end) of a text's spans in UTF-16 code units, which is how JavaScript counts."""
    if text.isascii():
        return [(span.start, span.end) for span in found]
    wide = np.cumsum([0, *(character > "\uffff" for character in text)])
    return [(span.start + int(wide[span.start]), span.end + int(wide[span.end])) for span in found]


def _words(tokens: Tokens, probabilities: Floats) -> Iterator[tuple[int, int, bool, float]]:
    """Start, end, whether it is punctuation, and highest probability of each word."""
    pieces = zip(tokens.words, tokens.places, tokens.punctuation, probabilities.tolist(), strict=True)
    for _, word in groupby(pieces, key=lambda piece: piece[0]):
        _, places, punctuation, values = zip(*word, strict=True)
        yield places[0][0], max(end for _, end in places), all(punctuation), max(values)


def _punctuation(piece: str) -> bool:
    """Punctuation as the tokenizer has it; an emoji is none."""
    return all(c in string.punctuation or unicodedata.category(c)[0] == "P" for c in piece)


def _trimmed(text: str, span: ToxicSpan) -> ToxicSpan | None:
    """The span without white space around it, which a letter with a combining mark may bring along."""
    inside = text[span.start : span.end]
    start = span.start + len(inside) - len(inside.lstrip())
    end = start + len(inside.strip())
    return ToxicSpan(start, end, span.score) if start < end else None
