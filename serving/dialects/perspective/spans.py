"""Sentences of a comment and their place in UTF-16 code units, which is how JavaScript counts."""

from __future__ import annotations

from typing import NamedTuple

import sentencex

from serving.text import visible

MOST = 100  # spans of one comment: more sentences are taken together, so that one request stays bounded


class Span(NamedTuple):
    """A part of a text; `begin` and `end` in UTF-16 code units, the end exclusive."""

    begin: int
    end: int
    text: str


def utf16(text: str) -> int:
    """The text's length in UTF-16 code units."""
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)


def whole(text: str) -> Span:
    """The span that is the entire text."""
    return Span(0, utf16(text), text)


def sentences(text: str) -> list[Span]:
    """The text's sentences without the white space around them; those with nothing visible are left out.

    At most MOST: neighbours are joined where there are more. The whole text where it has no sentence.
    """
    pieces = sentencex.segment("en", text if text.isascii() else "".join(map(_read, text)))
    step = -(-len(pieces) // MOST) or 1
    found: list[Span] = []
    at = position = 0
    for start in range(0, len(pieces), step):
        length = sum(map(len, pieces[start : start + step]))
        piece = text[at : at + length]
        body = piece.strip()
        if visible(body):
            begin = position + utf16(piece[: len(piece) - len(piece.lstrip())])
            found.append(Span(begin, begin + utf16(body), body))
        at += length
        position += utf16(piece)
    return found or [whole(text)]


def _read(character: str) -> str:
    """What the splitter, which panics over some, may read in place of a character; as long in UTF-16.

    A lone surrogate is no character to it. It takes every white space to be one byte long before a full stop.
    """
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return " " if character.isspace() and not character.isascii() else character
