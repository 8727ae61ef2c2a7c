"""Which language a comment is written in, in doubt English.

Comments are short and the sites are English: told nothing else, an identifier calls a good half of all one-word
comments foreign. Here English has PRIOR times the weight of any other language before the text is looked at,
so that a few odd letters ("lol", "yo hamburger") do not outweigh it. docs/languages.md has the measurements.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from serving.text import normalise

SUPPORTED = frozenset({"en"})  # primary subtags of the languages that the model scores

# How many times likelier English is than any one other language, before the text is seen: the least of 15, 20, 26,
# 30, 35, 40, 50, 60 and 80 that calls at most 1 % of the comments of one or two words foreign, on the first half of
# the comments of benchmarks/language.py. The rates in docs/languages.md are of the other half.
PRIOR = 60.0
# The same for the commonest language of a script that several are written in: one Russian word could be Serbian. By
# judgement, not fitted.
PRIOR_OF_SCRIPT = 8.0
LEAST = 0.05  # a language less likely than this is not worth a mention, unless it is the likeliest
MOST = 3  # languages in an answer
READ = 1_200  # characters of a text that are cleaned
LOOK_AT = 300  # characters that are looked at then: more change no answer and cost time

# Written in Latin letters. The library knows more, but between "lol" and Zulu, Sotho and Kikuyu there is nothing
# to tell: every language left out makes fewer mistakes of English. A text in one of them gets its neighbour's name.
_LATIN = (
    "af az ca cs cy da de en es et eu fi fr ga gl hr ht hu id is it lt lv ms mt nl nn no pl pt ro sk sl sq sv sw tl tr "
    "uz vi"
)
LATIN = frozenset(_LATIN.split())
# Character ranges of other scripts and the languages written in them, the commonest first. A Han, kana or Hangul
# character says as much as two or three letters.
_SCRIPTS = (
    ("\u3040-\u30ff\u31f0-\u31ff", 2, "ja"),
    ("\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff", 2, "zh"),
    ("\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", 2, "ko"),
    ("\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff", 1, "ru uk be bg kk ky mk mn sr tg"),
    ("\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff", 1, "ar fa ur ps ug"),
    ("\u0900-\u097f", 1, "hi mr ne"),
    ("\u0370-\u03ff\u1f00-\u1fff", 1, "el"),
    ("\u0530-\u058f", 1, "hy"),
    ("\u0590-\u05ff", 1, "he"),
    ("\u0980-\u09ff", 1, "bn as"),
    ("\u0a00-\u0a7f", 1, "pa"),
    ("\u0a80-\u0aff", 1, "gu"),
    ("\u0b00-\u0b7f", 1, "or"),
    ("\u0b80-\u0bff", 1, "ta"),
    ("\u0c00-\u0c7f", 1, "te"),
    ("\u0c80-\u0cff", 1, "kn"),
    ("\u0d00-\u0d7f", 1, "ml"),
    ("\u0d80-\u0dff", 1, "si"),
    ("\u0e00-\u0e7f", 1, "th"),
    ("\u0e80-\u0eff", 1, "lo"),
    ("\u1000-\u109f", 1, "my"),
    ("\u10a0-\u10ff\u1c90-\u1cbf", 1, "ka"),
    ("\u1200-\u139f", 1, "am"),
    ("\u1780-\u17ff", 1, "km"),
)
SCRIPTS = tuple((re.compile(f"[{ranges}]"), weight, tuple(codes.split())) for ranges, weight, codes in _SCRIPTS)
LETTER = re.compile(r"[^\W\d_]")
WORD = re.compile("[a-z]+")
NOT_LATIN = re.compile("[^\\W\\d_a-zA-Z\u00aa-\u02ff\u1e00-\u1eff]")

# Addresses, mentions, subreddits, digits and emoji have no language. Repetitions are bounded: a text of 1,200 dots or
# hyphens must not cost quadratic time.
NOISE = re.compile(
    r"(?:https?://|www\.)\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]+|(?<!\w)@\w+|(?<!\w)/?[ru]/\w+"
    r"|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.(?:com|org|net|gov|edu|co)\b\S*"
    "|[\\d_\u2190-\u2bff\U0001f000-\U0001faff]+",
    re.IGNORECASE,
)
# Without one of these in a text its only noise is of the last kind, which is found in a quarter of the time.
LINK = re.compile(r"[@/]|www\.|\.(?:com|org|net|gov|edu|co)\b", re.IGNORECASE)
MARKS = re.compile("[\\d_\u2190-\u2bff\U0001f000-\U0001faff]+")
LAUGHTER = re.compile(r"\b\w?(ha|he|hi|ah|eh|lo|xa|ja)\1+\w?\b")  # one "ha" says as much, and is not Malay
STRETCHED = re.compile(r"(\w)\1{2,}")  # "sooooo": no language writes a letter three times

# Frequent words of Hindi and Urdu in Latin letters, which the library does not know. Words that other
# languages have too ("mein", "ki", "se", "ho") are left out; two of the rest are needed.
_HINDI = (
    "aap aapse abhi agar apna apne aur bahut baare bhai bhi bilkul bohot gaya gayi hai hain hoon hota hoti hua jaise "
    "kaise karna karo karta karte karti kisi kisne koi kuch kyu kyun kya matlab mera mere meri nahi nahin raha rahe "
    "rahi sahi tera toh wahan wala wale walo walon woh yaar yeh"
)
HINDI = frozenset(_HINDI.split())
HINDI_SHARE = 0.25  # of a text's words

# Frequent words of English that no other language of LATIN has among its own. Three different ones settle the matter in
# a tenth of the identifier's time, in a short text two; most comments of some words are thus spared it.
_ENGLISH = (
    "about across after again against almost already although always and another answer anything around asked away "
    "became because become before being believe better between both called calling came cannot children could couldn "
    "council days did didn does doesn doing during each early enough every everybody everyone everything family father "
    "feel friends from getting given goes going gone good great happened hasn having him his hours how however instead "
    "into isn its keep knew know known law least leave left less like lived lives look makes many maybe might month "
    "months mother much need needs never nobody nothing now only other our own paid people please read really reason "
    "right said saw says school seems seen she should shouldn shows since somebody someone something started stopped "
    "stopping street such take tell thank thanks that the their them then there these they thing things think this "
    "those thought three through today told too took town tried try trying two understand understood until used using "
    "very vote voted wants wasn way we weeks were weren what when where whether which while who whole whose why will "
    "with within without woman women won work worked working would wouldn write written wrong wrote year years "
    "yesterday yet you your yourself"
)
ENGLISH = frozenset(_ENGLISH.split())
ENGLISH_WORDS = 3
ENGLISH_WORDS_OF_SHORT = 2
SHORT = 12  # words


@dataclass(frozen=True, slots=True)
class Language:
    """A language that a text may be written in."""

    code: str
    """BCP-47: ISO 639-1 where there is one, with a script if it is not the usual one (`hi-Latn`)."""
    probability: float
    """0..1, prior included. Those of one text sum to at most 1."""


def supported(code: str) -> bool:
    """Whether the model scores a language: `en` in any case and with any region or script (`en-GB`, `EN`)."""
    return code.replace("_", "-").partition("-")[0].lower() in SUPPORTED


def load() -> None:
    """Reads the identifier's model: about half a second and 80 MB, once a process. `detect` does so if need be."""
    _identifier(LATIN)


def detect(text: str) -> list[Language]:
    """Languages of a comment, likeliest first, at most MOST; empty where nothing can be told (digits, emoji).

    Never raises. Looks at the first LOOK_AT characters that are left of the first READ after addresses, mentions,
    digits and emoji are taken out: some 100 µs for an ordinary comment, a few hundred for a longer one of any length.
    Safe to call from any thread; holds the interpreter lock while it runs.
    """
    normal = _normal(text)
    if normal.isascii() and not LINK.search(normal) and _plainly_english(normal):
        return [Language("en", 1.0)]
    clean = _letters(normal)
    if not LETTER.search(clean):
        return []
    codes = _written_in(clean)
    if codes is None:
        return _latin(clean)
    if len(codes) <= 1:
        return [Language(code, 1.0) for code in codes]
    return _answer(_weigh(clean, codes, codes[0], PRIOR_OF_SCRIPT))


def letters(text: str) -> str:
    """What of a text is looked at: normal form, lower case, without noise; laughter and stretched words short."""
    return _letters(_normal(text))


def _normal(text: str) -> str:
    return normalise(text[:READ].encode("utf-8", "replace").decode("utf-8"))[:READ]


def _letters(normal: str) -> str:
    noise = NOISE if LINK.search(normal) else MARKS
    clean = LAUGHTER.sub(r"\1", STRETCHED.sub(r"\1", noise.sub(" ", normal).lower()))
    return " ".join(clean.split())[:LOOK_AT]


def _plainly_english(normal: str) -> bool:
    """Whether a text is English as `_latin` tells, but without being cleaned first, which takes no such word away."""
    words = WORD.findall(normal[:LOOK_AT].lower())
    if len(normal) > LOOK_AT:
        words[-1:] = []  # it may be the start of another
    return len(ENGLISH.intersection(words)) >= ENGLISH_WORDS


def _written_in(clean: str) -> tuple[str, ...] | None:
    """Languages of the script that most of a text is in; None for Latin, empty for a script unknown here."""
    others = len(NOT_LATIN.findall(clean))
    if not others:
        return None
    latin = len(LETTER.findall(clean)) - others
    counts = [(len(pattern.findall(clean)) * weight, codes) for pattern, weight, codes in SCRIPTS]
    most, codes = max(counts, key=lambda pair: pair[0])
    if codes == ("zh",) and 4 * counts[0][0] >= most:  # Japanese mixes kana and Han
        codes = ("ja",)
    if most < latin:
        return None
    return codes if most else ()


def _latin(clean: str) -> list[Language]:
    words = WORD.findall(clean)
    found = len(ENGLISH.intersection(words))
    if found >= ENGLISH_WORDS or (found == ENGLISH_WORDS_OF_SHORT and len(words) <= SHORT):
        return [Language("en", 1.0)]
    clean = NOT_LATIN.sub(" ", clean)
    chances = _weigh(clean, LATIN, "en", PRIOR)
    hits = sum(word in HINDI for word in words)
    if hits >= 2 and hits >= HINDI_SHARE * len(words):
        left = 0.5**hits
        chances = {code: chance * left for code, chance in chances.items()} | {"hi-Latn": 1 - left}
    return _answer(chances)


def _weigh(clean: str, codes: frozenset[str] | tuple[str, ...], favourite: str, prior: float) -> dict[str, float]:
    """Probability of each language, the favourite's odds raised by its prior."""
    # The library's numbers are single precision: on odd texts all of a script's may be 0.
    chances = {code: max(chance, 1e-30) for code, chance in _identifier(codes).rank(clean)}
    chances[favourite] *= prior
    total = sum(chances.values())
    return {code: chance / total for code, chance in chances.items()}


def _answer(chances: dict[str, float]) -> list[Language]:
    found = sorted(chances.items(), key=lambda pair: -pair[1])[:MOST]
    likely = [pair for place, pair in enumerate(found) if not place or pair[1] >= LEAST]
    return [Language(code, min(1.0, chance)) for code, chance in likely]


@cache
def _identifier(codes: frozenset[str] | tuple[str, ...]) -> Any:
    """One that knows these languages only: the fewer, the quicker. All share the tables of the whole."""
    found = copy(_whole())
    found.set_languages(codes)
    found.nb_ptc = np.ascontiguousarray(found.nb_ptc, np.float32)  # as it is read: by rows, and multiplied
    return found


@cache
def _whole() -> Any:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
