"""What the ranking is given: reports, the people who made them, and the comments they are about.

A report is evidence, not a vote. Evidence is a set: one piece per (reporter, comment, revision, reason), however
often it was filed, and none while it is withdrawn. So withdrawing and repeating cannot inflate anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

Reason = Literal[
    "offensive", "abusive", "hateful", "threatening", "spam", "off_topic", "personal_information", "illegal", "other"
]

# Attributes of labels/taxonomy.toml that speak for a reason. Where the model sees nothing of what a reason is about
# there are none: such a reason is neither borne out nor contradicted by the text.
REASONS: Mapping[Reason, tuple[str, ...]] = {
    "offensive": ("toxicity", "profanity", "sexually_explicit"),
    "abusive": ("insult", "hostile", "severe_toxicity"),
    "hateful": ("identity_attack",),
    "threatening": ("threat",),
    "spam": (),
    "off_topic": (),
    "personal_information": (),
    "illegal": ("threat", "identity_attack", "severe_toxicity"),
    "other": (),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a comment that somebody had reported: `upheld` if a moderator acted on it, at that moment."""

    comment: str
    upheld: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Reporter:
    """Someone who reports. `created`: when the account was made, None if there is none or nobody knows.

    `outcomes`: decisions on comments that this person had reported when they were decided, in any order. Of several
    on one comment the latest counts, so that a decision overturned on appeal is counted as it ended.
    """

    id: str
    created: datetime | None = None
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One filing of a report. `revision`: of the comment's text. `withdrawn`: taken back by the reporter since."""

    reporter: str
    comment: str
    revision: int
    reason: Reason
    at: datetime
    withdrawn: bool = False

    @property
    def key(self) -> tuple[str, str, int, Reason]:
        """What makes two filings the same piece of evidence."""
        return self.reporter, self.comment, self.revision, self.reason


@dataclass(frozen=True, slots=True)
class Case:
    """A reported comment: where it stands, whose it is, its text's scores (0..1, calibrated), and its reports.

    `scores` are of the current revision and may be incomplete or empty if the text could not be scored.
    """

    comment: str
    story: str
    author: str
    scores: Mapping[str, float]
    reports: tuple[Report, ...] = ()


def standing(reports: Iterable[Report]) -> list[Report]:
    """The set of evidence, sorted: one report per key with a filing that is not withdrawn.

    Its moment is that of the first filing, withdrawn ones included: to take a report back and file it again must
    not move it out of the burst that it came in.
    """
    first: dict[tuple[str, str, int, Reason], datetime] = {}
    stands: dict[tuple[str, str, int, Reason], Report] = {}
    for report in reports:
        first[report.key] = min(report.at, first.get(report.key, report.at))
        if not report.withdrawn:
            stands[report.key] = report
    return [replace(stands[key], at=first[key]) for key in sorted(stands)]
