"""Which words of a comment speak for a score, and who says so.

A model that has learnt to mark words marks those of one attribute, at once. For the others they are found by occlusion,
which costs an inference a word, and so is done when a moderator asks for it. Nothing is marked unless one of the two
can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog

from serving import explain
from serving.console.words import plain
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
    """The words that speak for `attribute`; `said` tells a moderator in sentences how that is known."""

    attribute: str
    said: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, marked or not."""

    text: str
    marked: bool


def at_once(here: Service, text: str) -> Highlights | None:
    """What the model itself marks in a text; None if it marks nothing, or has not learnt to."""
    found = _marked(here, text)
    return found if found and found.spans else None


def of(here: Service, text: str, attribute: str) -> Highlights | None:
    """What of a text speaks for a score; None if nothing here can tell, and then nothing is claimed."""
    return _marked(here, text, attribute) or _occluded(here, text, attribute)


def _marked(here: Service, text: str, attribute: str | None = None) -> Highlights | None:
    """What the model itself marks, if it has learnt to and that is for `attribute`, or for whatever it is (None)."""
    try:
        scorer = here.engine.scorer
        head = scorer.manifest.spans
        if head is None or attribute not in (None, head.attribute):
            return None
        (found,) = scorer.spans([text])
    except (EngineError, ScoringError):  # no model, or no visible text
        return None
    except Exception as error:  # whatever the runtime raises: the case is there to be decided, with marks or without
        structlog.get_logger().error("inference failed while marking words", type=type(error).__name__)
        return None
    spans = tuple(Span(span.start, span.end) for span in found)
    name = plain(head.attribute)
    said = f"Marked for {name} by the model itself, which learnt from people’s marks. It errs: read the whole comment."
    return Highlights(head.attribute, said if spans else f"The model itself marks no word for {name}.", spans)


def _occluded(here: Service, text: str, attribute: str) -> Highlights | None:
    try:
        reasons = explain.occlude(here.engine.scorer, text, attribute)
    except (EngineError, ScoringError, ValueError):  # no model, no visible text, or not an attribute of this model
        return None
    most = max((reason.contribution for reason in reasons), default=0.0)
    least = max(LEAST, most * SHARE)
    spans = tuple(Span(reason.start, reason.end) for reason in reasons if reason.contribution >= least)
    name = plain(attribute)
    said = (
        f"Marked: what drives the score for {name}, found by leaving out each word in turn: without these the score "
        "falls most."
        if spans
        else f"No word by itself drives the score for {name}: it falls little, whichever is left out."
    )
    return Highlights(attribute, said, spans)


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
