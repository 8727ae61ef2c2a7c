"""Groups of people: the identity columns of Civil Comments, and the words by which comments mention them.

The columns are those of the data set (Borkan et al. 2019). The words are our own and make no claim to be complete:
a comment that has one of them mentions the group, whatever it says of it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from types import MappingProxyType

COLUMNS = (
    "asian",
    "atheist",
    "bisexual",
    "black",
    "buddhist",
    "christian",
    "female",
    "heterosexual",
    "hindu",
    "homosexual_gay_or_lesbian",
    "intellectual_or_learning_disability",
    "jewish",
    "latino",
    "male",
    "muslim",
    "other_disability",
    "other_gender",
    "other_race_or_ethnicity",
    "other_religion",
    "other_sexual_orientation",
    "physical_disability",
    "psychiatric_or_mental_illness",
    "transgender",
    "white",
)

# Whole words, in lower case. A group's name where it has a column is the column's.
_WORDS = {
    "asian": "asian asians chinese japanese korean koreans vietnamese filipino filipinos",
    "atheist": "atheist atheists atheism",
    "black": "black people|blacks|black man|black men|black woman|black women|african american|african americans"
    "|african-american|african-americans|blm|black lives",
    "christian": "christian christians christianity catholic catholics evangelical evangelicals protestant protestants "
    "mormon mormons",
    "female": "woman women girl girls female females feminist feminists mother mothers wife",
    "homosexual_gay_or_lesbian": "gay gays lesbian lesbians homosexual homosexuals homosexuality lgbt lgbtq",
    "immigrant": "immigrant immigrants migrant migrants refugee refugees",
    "indigenous": "native|natives|indigenous|first nations|aboriginal|aboriginals",
    "jewish": "jew jews jewish judaism",
    "latino": "latino latinos latina latinas hispanic hispanics mexican mexicans",
    "male": "man men boy boys male males father fathers husband",
    "mental_illness": "mentally ill|mental illness|mental health|schizophrenia|schizophrenic|bipolar|autism|autistic",
    "muslim": "muslim muslims islam islamic",
    "old": "elderly senior seniors boomer boomers retiree retirees pensioner pensioners",
    "transgender": "transgender transgendered trans transsexual",
    "white": "white people|whites|white man|white men|white woman|white women|white male|white males|caucasian",
}


def _pattern(words: str) -> re.Pattern[str]:
    parts = words.split("|") if "|" in words else words.split()
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, parts))})(?!\w)", re.IGNORECASE)


MENTIONS: Mapping[str, re.Pattern[str]] = MappingProxyType({name: _pattern(words) for name, words in _WORDS.items()})


def mentioned(text: str) -> frozenset[str]:
    """The groups of MENTIONS that a text mentions."""
    return frozenset(name for name, pattern in MENTIONS.items() if pattern.search(text))


# Words that may stand for one another in a sentence, kind by kind. Gender is not among them: sets about sexism would
# lose their sense. Words with other meanings count only before a word for people.
_PEOPLE = "people|person|persons|folks|man|men|woman|women|guy|guys|kid|kids|child|children|community|communities"
_KINDS = (
    ("muslim christian jewish catholic hindu buddhist mormon sikh", ""),
    ("muslims christians jews catholics hindus buddhists mormons sikhs atheists", ""),
    ("islam christianity judaism hinduism buddhism catholicism", ""),
    ("gay lesbian straight bisexual transgender homosexual heterosexual", _PEOPLE),
    ("gays lesbians homosexuals bisexuals", ""),
    ("black white asian latino hispanic arab african indigenous", _PEOPLE),
    ("blacks whites asians latinos hispanics arabs africans", ""),
    ("mexican chinese russian german french polish nigerian pakistani indian somali", _PEOPLE),
    ("mexicans russians germans poles nigerians pakistanis indians somalis", ""),
    ("disabled blind deaf autistic", _PEOPLE),
    ("immigrants migrants refugees foreigners", ""),
)
_SWAPS = tuple(
    (
        words.split(),
        re.compile(
            rf"(?<![\w-])(?:(an?)(\s+))?({'|'.join(words.split())})(?![\w-])"
            + (rf"(?=\s+(?:{people})(?!\w))" if people else ""),
            re.IGNORECASE,
        ),
    )
    for words, people in _KINDS
)


def swapped(text: str, chance: random.Random) -> str:
    """The text with each group of people in it exchanged for another of its kind, the same one throughout.

    Capitals and the article before a word follow. The text itself where it names no group that can be exchanged.
    """
    for words, pattern in _SWAPS:
        others: dict[str, str] = {}

        def exchange(found: re.Match[str], words: list[str] = words, others: dict[str, str] = others) -> str:
            old = found[3].lower()
            new = others.setdefault(old, chance.choice([word for word in words if word != old]))
            article = ""
            if found[1]:
                article = ("an" if new[0] in "aeiou" else "a") + found[2]
                article = article.capitalize() if found[1][0].isupper() else article
            upper = found[3].isupper() and len(old) > 1
            return article + (new.upper() if upper else new.capitalize() if found[3][0].isupper() else new)

        text = pattern.sub(exchange, text)
    return text
