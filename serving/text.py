"""Normal form of a comment's text, shared by training and serving so that both see the same input."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from serving.disguise import STEPS, Edit

# Characters without width are used to break up words that a filter would catch. The zero-width
# joiner (U+200D) is among them: it only picks one drawing of an emoji over another.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
SPACE = re.compile(r"\s+")
PLAIN = re.compile("[0-9A-Za-z]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# Pieces that NFKC treats apart: an ASCII character starts anew, and takes along what follows that is not ASCII.
PIECE = re.compile("[\x00-\x7f]?[^\x00-\x7f]+|[\x00-\x7f]")
PASSES = 8  # undoing one disguise may uncover another; texts that go on for longer were made to

Span = tuple[int, int]


@lru_cache(1)  # a comment's language and its scores are asked for one right after the other
def normalise(text: str) -> str:
    """The text in Unicode form NFKC, without invisible characters, each run of white space one space, and with the
    common disguises of words undone (serving/disguise.py).

    Case and punctuation stay. Line breaks become spaces because some training sets lost theirs.
    The result may be empty. Idempotent.
    """
    text = _plain(text)
    for _ in range(PASSES):
        before = text
        for step in STEPS:
            if edits := list(step(text)):
                text = _apply(text, edits)
        if text == before:
            break
        text = _plain(text)
    return text


def aligned(text: str) -> tuple[str, list[Span]]:
    """The normal form, and for each of its characters the place [start, end) in `text` that it comes from.

    Places never go backwards. A span of the normal form lies in the text from the start of its first character's place
    to the end of its last one's. Several times slower than `normalise`, whose result it gives.
    """
    spans = [(place, place + 1) for place in range(len(text))]
    text, spans = _plain_aligned(text, spans)
    for _ in range(PASSES):
        before = text
        for step in STEPS:
            text, spans = _apply_aligned(text, spans, step(text))
        if text == before:
            break
        text, spans = _plain_aligned(text, spans)
    return text, spans


def visible(text: str) -> bool:
    """Whether anything of a text is left in normal form; most texts show it by a letter, without being normalised."""
    if PLAIN.search(text) and "<" not in text and "&" not in text:
        return True
    return bool(normalise(text))


def _plain(text: str) -> str:
    if not text.isascii():
        text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    text = CONTROL.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split())


def _apply(text: str, edits: Iterable[Edit]) -> str:
    parts: list[str] = []
    end = 0
    for start, stop, new in edits:
        parts += (text[end:start], new)
        end = stop
    return "".join((*parts, text[end:]))


def _plain_aligned(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    text, spans = _composed(text, spans)
    for pattern, new in ((INVISIBLE, ""), (CONTROL, " ")):
        text, spans = _apply_aligned(text, spans, ((*m.span(), new) for m in pattern.finditer(text)))
    text, spans = _composed(text, spans)
    text, spans = _apply_aligned(text, spans, ((*m.span(), " ") for m in SPACE.finditer(text)))
    start = len(text) - len(text.lstrip())
    stop = start + len(text.strip())
    return text[start:stop], spans[start:stop]


def _composed(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """NFKC: characters that stay as many keep their places, the others get that of their whole piece."""
    if text.isascii():
        return text, spans
    parts: list[str] = []
    places: list[Span] = []
    for piece in PIECE.finditer(text):
        new, mine = unicodedata.normalize("NFKC", piece[0]), spans[piece.start() : piece.end()]
        single = [unicodedata.normalize("NFKC", c) for c in piece[0]]
        parts.append(new)
        if "".join(single) == new:
            places += [place for place, c in zip(mine, single, strict=True) for _ in c]
        else:
            places += [(mine[0][0], mine[-1][1])] * len(new)
    return "".join(parts), places


def _apply_aligned(text: str, spans: list[Span], edits: Iterable[Edit]) -> tuple[str, list[Span]]:
    """The edited text; a replacement's characters have the places of like characters, in order, or of the rest."""
    parts: list[str] = []
    places: list[Span] = []
    end = 0
    for start, stop, new in edits:
        parts += (text[end:start], new)
        places += spans[end:start]
        places += _shared(text[start:stop], spans[start:stop], new)
        end = stop
    return "".join((*parts, text[end:])), places + spans[end:]


def _shared(old: str, spans: list[Span], new: str) -> list[Span]:
    """A place for each character of `new`, which replaces the characters `old` at `spans`."""
    if len(old) == len(new):
        return spans
    found: list[int | None] = []
    at = 0
    for c in new:
        place = old.lower().find(c.lower(), at)
        found.append(place if place >= 0 else None)
        at = place + 1 if place >= 0 else at
    if None in found:
        return [(spans[0][0], spans[-1][1])] * len(new)
    return [spans[place] for place in found if place is not None]
