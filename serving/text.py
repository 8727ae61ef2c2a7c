"""Normal form of a comment's text, shared by training and serving so that both see the same input."""

from __future__ import annotations

import re
import unicodedata

# Characters without width are used to break up words that a filter would catch. The zero-width
# joiner (U+200D) is among them: it only picks one drawing of an emoji over another.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
PLAIN = re.compile("[0-9A-Za-z]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def normalise(text: str) -> str:
    """The text in Unicode form NFKC, without invisible characters, each run of white space one space.

    Case and punctuation stay. Line breaks become spaces because some training sets lost theirs.
    The result may be empty. Idempotent.
    """
    text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(unicodedata.normalize("NFKC", CONTROL.sub(" ", text)).split())


def visible(text: str) -> bool:
    """Whether anything of a text is left in normal form; most texts show it by a letter, without being normalised."""
    return bool(PLAIN.search(text) or normalise(text))
