"""Which words of a comment drive a score, and who says so.

Nothing is marked unless something can tell: `of` is the one place where it is asked. It costs an inference a word, so
it is done when a moderator asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serving import explain
from serving.engine import EngineError
from serving.scorer import ScoringError
from serving.service import Service

LEAST = 0.02  # by how much the score has to fall without a word, and what share of the most, for it to be marked
SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `begin` to `end`, exclusive, of a text."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Highlights:
    """The words that drive the score of `attribute`; `source` completes "Marked: …", honest about how it is known."""

    attribute: str
    source: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, marked or not."""

    text: str
    marked: bool


def of(here: Service, text: str, attribute: str) -> Highlights | None:
    """What of a text drives a score; None if nothing here can tell, and then nothing is claimed."""
    try:
        reasons = explain.occlude(here.engine.scorer, text, attribute)
    except (EngineError, ScoringError, ValueError):  # no model, no visible text, or not an attribute of this model
        return None
    most = max((reason.contribution for reason in reasons), default=0.0)
    least = max(LEAST, most * SHARE)
    spans = tuple(Span(reason.start, reason.end) for reason in reasons if reason.contribution >= least)
    return Highlights(attribute, "found by leaving out each word in turn: without these the score falls most", spans)


def pieces(text: str, spans: Sequence[Span]) -> Iterator[Piece]:
    """A text cut at its spans, which may overlap and are cut to the text; the pieces make up the whole text."""
    place = 0
    for span in sorted(spans, key=lambda span: (span.begin, span.end)):
        begin, end = max(span.begin, place), min(span.end, len(text))
        if begin >= end:
            continue
        if begin > place:
            yield Piece(text[place:begin], False)
        yield Piece(text[begin:end], True)
        place = end
    if place < len(text):
        yield Piece(text[place:], False)
