"""Numbers in words, for people who decide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from labels import taxonomy
from labels.taxonomy import Attribute
from serving.moderation.casefiles import Line
from serving.triage.reporters import Record

Level = Literal["high", "middle", "low"]

# From these scores on a text is strong enough to be blurred for those who chose so. The rarer a thing, the lower the
# score that is remarkable: docs/moderators.md.
STRONG: Mapping[str, float] = {
    "severe_toxicity": 0.3,
    "threat": 0.15,
    "sexually_explicit": 0.4,
    "identity_attack": 0.5,
    "profanity": 0.7,
    "toxicity": 0.8,
}
YOUNG = timedelta(days=7)  # an account of a reporter; as in serving/triage/bursts.py
SHORT = re.compile(r" \(older ones count less\), precision [\d.]+")  # left out of a line of the queue
EXCERPT = 320  # characters of a comment in a list


@dataclass(frozen=True, slots=True)
class Odds:
    """P(upheld) for people: a word, and a level that gives its colour."""

    share: float
    word: str
    level: Level


def odds(probability: float) -> Odds:
    """A probability that a moderator upholds the reports, in words."""
    steps: tuple[tuple[float, str, Level], ...] = (
        (0.8, "very likely", "high"),
        (0.6, "likely", "high"),
        (0.4, "as likely as not", "middle"),
        (0.2, "unlikely", "low"),
        (0.0, "very unlikely", "low"),
    )
    return next(Odds(probability, word, level) for least, word, level in steps if probability >= least)


def strong(scores: Mapping[str, float] | None) -> bool:
    """Whether a text is one to blur."""
    return any((scores or {}).get(name, 0.0) >= least for name, least in STRONG.items())


def plain(name: str) -> str:
    """An attribute's or a reason's name without underscores."""
    return name.replace("_", " ")


def in_hundred(score: float) -> str:
    """What a calibrated score means: of a hundred comments like those it was calibrated on."""
    number = round(score * 100)
    return "fewer than 1 in 100" if number == 0 else "nearly all" if number == 100 else f"about {number} in 100"


def attribute(name: str) -> Attribute | None:
    """An attribute's definition and question; None for one that a model has and the taxonomy has not."""
    try:
        return taxonomy.load()[name]
    except KeyError:
        return None


def why(lines: Iterable[Line], most: int = 2) -> str:
    """The reasons that weigh most, strongest first, in one line."""
    chosen = sorted(lines, key=lambda line: -abs(line.log_odds))[:most]
    return "; ".join(f"{SHORT.sub('', line.words)} ({signed(line.log_odds)})" for line in chosen)


def together(lines: Iterable[Line]) -> list[str]:
    """What triage says of readers who came together, and so count as one."""
    return [line.words for line in lines if "counted as one" in line.words]


def signed(number: float) -> str:
    """A number of log-odds with its sign, a true minus."""
    return f"{number:+.2f}".replace("-", "−")


def excerpt(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: EXCERPT * 4].split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def reliability(record: Record) -> str:
    """A reporter's record: how many past reports were upheld, older ones counting less, and what to make of it."""
    if record.decided < 0.05:
        return "no record yet"
    share = f"{record.upheld:.1f} of {record.decided:.1f} past reports upheld".replace(".0", "")
    if not record.tried:
        return f"{share}: too few to judge by"
    verdict = "usually right" if record.precision >= 0.6 else "mixed" if record.precision >= 0.3 else "usually wrong"
    return f"{share}: {verdict} (precision {record.precision:.2f})"


def age(created: datetime | None, at: datetime) -> str | None:
    """A note on an account that was new when it reported; None for others."""
    if created is None or at - created >= YOUNG:
        return None
    days = max(0, (at - created).days)
    return "account made the same day" if days == 0 else f"account {days} {'day' if days == 1 else 'days'} old"
