"""Undoes what is done to a word to get it past a filter, and leaves ordinary English as it is.

Each function of STEPS returns edits of a text: (start, end, replacement), in order, not overlapping. An edit never
lengthens the text, and brings it nearer to plain letters, so that repeating the steps ends. What a site's markup adds
(entities, tags) counts as disguise too: it splits words for the model as asterisks do.

Where letters must be guessed ("f**k", "1d10t"), a short list of offensive words decides; a guess outside the list is
made only where hardly anything else could be meant. What was tried and what each step gives: docs/robustness.md.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from types import MappingProxyType

from confusable_homoglyphs import confusables

from serving.english import BY_FREQUENCY, COMMON, ENGLISH
from serving.words import DELICATE, DOUBLED, MEANT, NO_SLIPS, OFFENSIVE, PLAIN, SLIPS, SWEARING

Edit = tuple[int, int, str]

ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp|hellip|[mn]dash|[lr][sd]quo|shy|zwj|zwnj);"
)
NESTED = re.compile(r"&(?:(?:amp|AMP|#38|#x26);){2,}")
# Attributes that a comment system's editor leaves, without a space in their values: where a site shows text as it was
# typed, "<b you clown>" is read by everybody, and must be scored.
_ATTRIBUTES = r"(?:\s+(?:class|href|id|rel|src|target)=(?:\"[^\"\s<>]{0,300}\"|'[^'\s<>]{0,300}'))*\s*/?"
INLINE = re.compile(
    "<(?:/?(?:a|abbr|b|big|code|del|em|font|i|ins|mark|s|small|span|strike|strong|sub|sup|tt|u)"
    + _ATTRIBUTES
    + r"|!--\W{0,20}--)>",
    re.IGNORECASE,
)
BLOCK = re.compile(
    "</?(?:blockquote|body|br|div|h[1-6]|hr|html|img|li|ol|p|pre|table|td|th|tr|ul)" + _ATTRIBUTES + ">",
    re.IGNORECASE,
)
MARK = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
FOREIGN_WORD = re.compile(r"[A-Za-z]*[^\W\d_a-zA-Z\u00aa-\u00ff][\w]*")
APART = re.compile(r"(?<![\w'’])[A-Za-z]([ .\-_*/~|·])[A-Za-z](?:\1[A-Za-z])+(?![\w'’])")
STRONG = re.compile(r"(?<![\w*])\*\*(?=[^\s*])([^*\n]{1,200}?)(?<=[^\s*])\*\*(?![\w*])")
LONGEST_RUN = 48  # letters apart that are looked through for words: the time grows with the square
STRETCHED = re.compile(r"([A-Za-z])\1\1")
WORD = re.compile(r"[A-Za-z]+")
LONG = re.compile(r"[A-Za-z]{4,}")
LONGEST_SLIP = 20
VOWELS = "aeiou"
INFLECTED = re.compile(r"(?:s|ed|ing)\Z")
BEFORE = re.compile(r"[^\w@#/&.:=+]?\Z")
AFTER = re.compile(r"(?![\w@#/=+]|[.:][A-Za-z0-9])")
LEET = re.compile(r"[A-Za-z][013457@$]|[013457@$][A-Za-z]|[A-Za-z]![A-Za-z]")
TOKEN = re.compile(r"(?<![\w@$#&/.:,=%+-])[A-Za-z0-9@$!]*[A-Za-z0-9@$](?![\w@#&/=%+]|[.:,][A-Za-z0-9])")
STARRED = re.compile(r"(?<![\w*#@%$])(?<!\w\.)[A-Za-z]+(?:[*•●✱∗✻×#@%$]+[A-Za-z]+)*[*•●✱∗✻×#@%$]*(?![\w*@#%$])")
STAR = re.compile(r"[A-Za-z][*•●✱∗✻×#@%$]")
GAPPED = re.compile(r"(?<![\w\-.!])[A-Za-z]{1,2}(?:--|__|\.\.|[-_!])[A-Za-z]{1,2}(?![\w\-.!])")
GAPS = ("-", "_", "!", "..")  # without one of them nothing is GAPPED
ADDRESS = re.compile(r"[A-Za-z]{3}@[A-Za-z]{3}")
PLAIN_AT = str.maketrans("013457@$!", "oieastasi")
SECOND_AT = str.maketrans("013457@$!", "oleastasi")


def _lookalikes() -> dict[str, str]:
    """Letters of other scripts that look like one ASCII letter, from Unicode's confusables (UTS #39)."""
    found = {}
    for letter, likes in confusables.confusables_data.items():
        if len(letter) != 1 or letter.isascii() or not letter.isalpha():
            continue
        if unicodedata.normalize("NFKD", letter)[0].isascii():
            continue  # an accented letter
        ascii_letters = [
            like["c"] for like in likes if len(like["c"]) == 1 and like["c"].isascii() and like["c"].isalpha()
        ]
        if ascii_letters:
            plain = ascii_letters[0]
            # Unicode's one name for I, l and | is l.
            found[letter] = "I" if plain == "l" and letter.isupper() else plain
    return found


LOOKALIKES: Mapping[str, str] = MappingProxyType(_lookalikes())


def _entities(text: str) -> Iterator[Edit]:
    if "&" in text:
        nested = list(NESTED.finditer(text))
        if nested:
            yield from ((*m.span(), "&") for m in nested)
        else:
            yield from ((*m.span(), html.unescape(m[0])) for m in ENTITY.finditer(text) if html.unescape(m[0]) != m[0])


def _tags(text: str) -> Iterator[Edit]:
    if "<" in text:
        found = [(*m.span(), "") for m in INLINE.finditer(text)] + [(*m.span(), " ") for m in BLOCK.finditer(text)]
        end = 0
        for edit in sorted(found):
            if edit[0] >= end:
                yield edit
                end = edit[1]


def _bold(text: str) -> Iterator[Edit]:
    if "**" in text:
        yield from ((*m.span(), m[1]) for m in STRONG.finditer(text))


def _marks(text: str) -> Iterator[Edit]:
    if not text.isascii():
        for m in MARK.finditer(text):
            before = text[m.start() - 1] if m.start() else " "
            # In other scripts marks are letters of their own.
            if before.isascii() or "LATIN" in unicodedata.name(before, ""):
                yield (*m.span(), "")


def _lookalike_words(text: str) -> Iterator[Edit]:
    if text.isascii():
        return
    plain = sum(map(str.isalpha, re.sub(r"[^\x00-\x7f]", "", text)))
    for m in FOREIGN_WORD.finditer(text):
        others = [c for c in m[0] if not c.isascii()]
        if not all(c in LOOKALIKES or c < "\u0250" for c in others if c.isalpha()):
            continue
        if not any(c in LOOKALIKES for c in others):
            continue
        # A word with letters of two scripts is none of either; a word wholly of another may be meant.
        if len(others) < len(m[0]) or plain > 3 * len(others):
            yield (*m.span(), "".join(LOOKALIKES.get(c, c) for c in m[0]))


def _apart(text: str) -> Iterator[Edit]:
    for m in APART.finditer(text):
        word = m[0][::2]
        if word.isupper() and m[1] in ".-/":
            continue  # an abbreviation
        if len(word) == 3 and word.lower() not in OFFENSIVE:
            continue
        yield (*m.span(), _parted(word) if m[1] == " " else word)


def _parted(word: str) -> str:
    """A run of single letters as one word, or as several if one of them is offensive: neighbours run together."""
    low = word.lower()
    if low not in OFFENSIVE and len(word) <= LONGEST_RUN:
        for size in range(len(word) - 1, 3, -1):
            if low[-size:] in OFFENSIVE:
                return f"{_parted(word[:-size])} {word[-size:]}"
            if low[:size] in OFFENSIVE:
                return f"{word[:size]} {_parted(word[size:])}"
    return word


def _swapped(text: str) -> Iterator[Edit]:
    words = set(LONG.findall(text.lower()))
    strange = words - ENGLISH
    if not strange:  # as nearly always
        return
    slips = {word: meant for word in strange if (meant := _meant(word))}
    if not slips:
        return
    foreign = len(strange) - len(slips) > max(2, len(words) // 2)
    for m in WORD.finditer(text):
        low = m[0].lower()
        if word := slips.get(low):
            sure = low in SLIPS or (word in OFFENSIVE and len(word) > 4)
            if sure or not (foreign or _named(text, *m.span())):
                yield (*m.span(), word.upper() if m[0].isupper() else m[0][0] + word[1:])


def _meant(strange: str) -> str | None:
    """The English word that an unknown one is, but for two neighbouring letters inside it; None if it is none."""
    size = len(strange)
    if size > LONGEST_SLIP or strange in SLIPS:
        return SLIPS.get(strange)
    known = ENGLISH if size > 5 else COMMON if size == 5 else OFFENSIVE
    found = {
        word
        for i in range(1, size - 2)
        if (word := strange[:i] + strange[i + 1] + strange[i] + strange[i + 2 :]) in known
    }
    if len(found) > 1:
        found &= OFFENSIVE.keys()
    if len(found) != 1 or strange in NO_SLIPS:
        return None
    word = found.pop()
    # Where a word is known, its plural is; and centers are no centres.
    inflected = INFLECTED.sub("", strange) in ENGLISH
    return None if inflected or (strange.endswith("ers") and word.endswith("res")) else word


def _named(text: str, start: int, end: int) -> bool:
    """Whether the word there may be a name: short and not in lower case, or part of an address."""
    word = text[start:end]
    return (
        not (word.islower() or (len(word) >= 7 and (word.isupper() or word[1:].islower())))
        or not BEFORE.match(text[start - 1 : start])
        or not AFTER.match(text, end)
    )


def _stretched(text: str) -> Iterator[Edit]:
    if not STRETCHED.search(text):
        return
    for m in WORD.finditer(text):
        word = m[0]
        if not STRETCHED.search(word) or len(set(word.lower())) == 1 or word.lower().startswith("www"):
            continue
        yield (*m.span(), _shortened(word))


def _shortened(word: str) -> str:
    """The word with its stretched letters single, or double where a known word has them so."""
    parts = re.split(r"(([A-Za-z])\2{2,})", word)
    fixed, runs = parts[0::3], [part[0] for part in parts[1::3]]
    if len(runs) <= 4:
        for counts in product((1, 2), repeat=len(runs)):
            tail = (letter * n + rest for letter, n, rest in zip(runs, counts, fixed[1:], strict=True))
            candidate = fixed[0] + "".join(tail)
            if candidate.lower() in OFFENSIVE or candidate.lower() in DOUBLED:
                return candidate
    # Three letters in a long word are a slip for two more often than a stretched one.
    slips = [len(part) == 3 and len(word) >= 8 for part in parts[1::3]]
    tail = (letter * (1 + slip) + rest for letter, slip, rest in zip(runs, slips, fixed[1:], strict=True))
    return fixed[0] + "".join(tail)


def _leet(text: str) -> Iterator[Edit]:
    if not LEET.search(text):
        return
    for m in TOKEN.finditer(text):
        if LEET.search(m[0]) and (word := _spelt(m[0])):
            yield (*m.span(), word)


def _spelt(token: str) -> str | None:
    """The word that a token of letters, digits and signs spells, or None if it is no disguise."""
    letters = [c for c in token if c.isalpha()]
    if not letters or any(c in "2689" for c in token):
        return None
    upper = len(letters) > 1 and all(c.isupper() for c in letters)
    for table in (PLAIN_AT, SECOND_AT):
        word = token.translate(table)
        if word.lower() in OFFENSIVE:
            return word.upper() if upper else word
    runs = re.findall(r"[013457@$!]+", token)
    if len(letters) < (5 if upper else 2) or len(token) < 4 or any(len(run.replace("$$", "$")) > 2 for run in runs):
        return None
    # Capitals inside a word are a name of a thing: "iPh0ne", "WiF1".
    if (not upper and token[1:].lower() != token[1:]) or ("@" in token and ADDRESS.search(token)):
        return None
    if len(runs) == 1:
        # One run at an end belongs to numbers and names: "covid19", "3rd", "401k", "$5k", "4chan".
        inside = token[0].isalpha() and token[-1].isalpha()
        if not inside or len(letters) < 3 or len(runs[0].replace("$$", "$")) > 1:
            return None
    word = token.translate(PLAIN_AT)
    return word.upper() if upper else word


def _offensive_shapes() -> Mapping[tuple[int, str], list[str]]:
    dictionary = frozenset(BY_FREQUENCY) - MEANT
    shapes: dict[tuple[int, str], list[str]] = {}
    for word in (*OFFENSIVE, *SLIPS):
        if word in PLAIN or word in SLIPS or word in dictionary:
            shapes.setdefault((len(word), word[0]), []).append(word)
    return MappingProxyType(shapes)


def _shapes() -> Mapping[tuple[int, str, str], list[str]]:
    shapes: dict[tuple[int, str, str], list[str]] = {}
    for word in (*DELICATE, *BY_FREQUENCY):
        shapes.setdefault((len(word), word[0], word[-1]), []).append(word)
    return MappingProxyType(shapes)


# Offensive words by length and first letter; all words by length and letters at both ends, the most frequent first.
OFFENSIVE_SHAPES = _offensive_shapes()
SHAPES = _shapes()


def _masked(text: str) -> Iterator[Edit]:
    if STAR.search(text):
        for m in STARRED.finditer(text):
            if not m[0].isalpha() and (word := _unmasked(m[0])):
                yield (*m.span(), word)
    elif any(gap in text for gap in GAPS):
        for m in GAPPED.finditer(text):
            if (word := _unmasked(m[0])) and word.lower() in SWEARING:
                yield (*m.span(), word)


def _unmasked(token: str) -> str | None:
    """The word whose letters a token shows, the others masked one for one; None if there is none.

    An offensive one first, since others are seldom masked; another one where half of its letters are shown.
    """
    low = token.lower()
    shown = [(place, c) for place, c in enumerate(low) if c.isalpha()]
    hidden = len(low) - len(shown)
    if len(shown) < 2 and any(c in "#@%$" for c in token):
        return None
    ended = low[-1].isalpha()
    for word in OFFENSIVE_SHAPES.get((len(low), low[0]), ()):
        # One sign behind a word is a footnote more often than a letter.
        if all(word[place] == c for place, c in shown) and (ended or hidden > 1 or word in SWEARING):
            return _cased(word, token)
    if not ended or hidden > len(shown) or low.count("*") < hidden:
        return None
    fitting = [word for word in SHAPES.get((len(low), low[0], low[-1]), ()) if all(word[i] == c for i, c in shown)]
    gaps = [place for place, c in enumerate(low) if c == "*"]
    # Vowels are masked by most.
    likely = [word for word in fitting if word in DELICATE or all(word[place] in VOWELS for place in gaps)]
    sure = 3 * hidden <= len(low) or (len(likely) == 1 and likely[0] in COMMON)
    if likely and (likely[0] in DELICATE or (sure and len(low) > 4)):
        return _cased(likely[0], token)
    return _cased(fitting[0], token) if hidden == 1 and len(low) > 5 and len(fitting) == 1 else None


def _cased(word: str, token: str) -> str:
    letters = [c for c in token if c.isalpha()]
    return word.upper() if len(letters) > 1 and all(c.isupper() for c in letters) else token[0] + word[1:]


STEPS: tuple[Callable[[str], Iterator[Edit]], ...] = (
    _entities,
    _tags,
    _bold,
    _marks,
    _lookalike_words,
    _masked,
    _apart,
    _stretched,
    _leet,
    _swapped,
)
