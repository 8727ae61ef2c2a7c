"""Ways in which comments are disguised or dressed up, as functions of a text: the same text gives the same result.

Those of WORDS take the text and the places of the words to disguise; those of TEXTS take all of it.
"""

from __future__ import annotations

import hashlib
import html
import random
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

Span = tuple[int, int]

WORD = re.compile(r"[A-Za-z']{3,}")
LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
LOOKALIKE = dict(zip("aceiopsxyABCEHIKMOPTX", "асеіорѕхуАВСЕНІКМОРТХ", strict=True))  # Cyrillic
MARKS = "\u0300\u0301\u0308\u0323\u0330\u0336\u0338\u0341\u0352\u0489"
EMOJI = ("😂", "🙄", "👍", "🤡", "🔥", "😡")

# Sentences of our own, harmless, about 210 words: longer than a window of the model together with a comment.
CALM = (
    "I have lived near the old bridge since the spring of 1998 and walk across it most mornings. The council put up a "
    "notice about the repairs in March, with a drawing of the new railing and the dates of the closures. Last Tuesday "
    "the engineer explained at the library how the deck will be lifted in three parts, and that the buses will take "
    "the northern crossing in the meantime. She had brought samples of the timber and answered questions for an hour.",
    "The figures in the report are worth reading. Traffic on the bridge fell by a tenth after the bypass opened, while "
    "the number of cyclists doubled, and the cost of maintenance rose every year because the drains were never "
    "renewed. A second option, which the report sets out on page twelve, keeps the stone arches and widens the "
    "footpath on the southern side. It takes four months longer and needs a temporary ramp behind the post office. My "
    "own preference is the first option, since the school and the clinic are on this side and the closure is shorter, "
    "but I can see why the shops near the market would rather wait for the summer. The next meeting is on the ninth, "
    "at seven in the evening, and the drawings are on the table in the entrance until then.",
)
QUOTE = "The council will publish the timetable in June and invites comments until the end of the month."


def seeded(text: str, name: str) -> random.Random:
    """A generator that depends on the text and the perturbation only."""
    return random.Random(hashlib.sha256(f"{name}\x1f{text}".encode()).digest())


def _leet(word: str, chance: random.Random) -> str:
    return "".join(chance.choice(LEET[c.lower()]) if c.lower() in LEET else c for c in word)


def _spaced(word: str, chance: random.Random) -> str:
    return " ".join(word)


def _dotted(word: str, chance: random.Random) -> str:
    return chance.choice(".-_").join(word)


def _lookalike(word: str, chance: random.Random) -> str:
    return "".join(LOOKALIKE.get(c, c) for c in word)


def _fullwidth(word: str, chance: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)


def _zero_width(word: str, chance: random.Random) -> str:
    return "".join(c + chance.choice(("\u200b", "\u200c", "\u2060", "\u00ad")) for c in word)


def _marked(word: str, chance: random.Random) -> str:
    return "".join(c + "".join(chance.choices(MARKS, k=chance.randint(1, 3))) for c in word)


def _repeated(word: str, chance: random.Random) -> str:
    places = [place for place, c in enumerate(word) if c.lower() in "aeiouy"] or [len(word) - 1]
    place = chance.choice(places)
    return word[:place] + word[place] * chance.randint(3, 6) + word[place + 1 :]


def _masked(word: str, chance: random.Random) -> str:
    if len(word) > 4 and chance.random() < 0.5:
        vowels = [place for place, c in enumerate(word[1:-1], 1) if c.lower() in "aeiou"] or [1]
        return "".join("*" if place in vowels else c for place, c in enumerate(word))
    return word[0] + "*" * (len(word) - 2) + word[-1]


def _swapped(word: str, chance: random.Random) -> str:
    if len(word) < 4:
        return word
    place = chance.randint(1, len(word) - 3)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _tagged(word: str, chance: random.Random) -> str:
    place = chance.randint(1, len(word) - 1)
    return f"{word[:place]}<b></b>{word[place:]}"


WORDS: Mapping[str, Callable[[str, random.Random], str]] = MappingProxyType(
    {
        "leetspeak": _leet,
        "letters apart": _spaced,
        "dots and hyphens between letters": _dotted,
        "look-alike letters": _lookalike,
        "full-width letters": _fullwidth,
        "invisible characters": _zero_width,
        "combining marks": _marked,
        "repeated letters": _repeated,
        "masked words": _masked,
        "swapped letters": _swapped,
        "tags inside words": _tagged,
    }
)


def _emoji(text: str) -> str:
    chance = seeded(text, "emoji")
    words = text.split(" ")
    return " ".join(word + (" " + chance.choice(EMOJI) if chance.random() < 0.2 else "") for word in words)


def _html(text: str) -> str:
    parts = "</p><p>".join(html.escape(part) for part in text.split("\n"))
    return f'<div class="comment"><p>{parts}</p></div>'


def _entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in "aeiou" else c for c in text)


def _markdown(text: str) -> str:
    chance = seeded(text, "markdown")
    return (
        WORD.sub(lambda m: f"**{m[0]}**" if chance.random() < 0.2 else m[0], text) + "\n\n[source](https://example.org)"
    )


TEXTS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "emoji between words": _emoji,
        "shouting": str.upper,
        "HTML": _html,
        "HTML entities": _entities,
        "Markdown": _markdown,
        "after a quotation": lambda text: f"> {QUOTE}\n\n{text}",
        "inside a long calm text": lambda text: f"{CALM[0]} {text} {CALM[1]}",
        "polite framing": lambda text: (
            f"With all due respect, and I say this as a long-time reader who loves this paper: {text} "
            "Thank you for your time, and have a lovely day."
        ),
    }
)


def disguise(text: str, name: str, spans: Sequence[Span]) -> str:
    """The text with the words at `spans` disguised by WORDS[name]; spans must not overlap."""
    chance = seeded(text, name)
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + WORDS[name](text[start:end], chance) + text[end:]
    return text


def perturb(text: str, name: str, spans: Sequence[Span]) -> str:
    """The text perturbed by the name of one of WORDS or TEXTS."""
    return TEXTS[name](text) if name in TEXTS else disguise(text, name, spans)
