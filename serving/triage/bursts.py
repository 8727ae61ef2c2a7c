"""Reports that come together from people whose judgement is untested: they count as one reader, not as many.

Two signs of it, each looked for on a comment, on its story and on its author, so that spreading a campaign over
many comments does not hide it: more readers within minutes than come by chance, and new accounts within a day.
Neither proves malice. A comment may be so bad that many report it at once; it keeps its text's score, the strongest
of the untested reports, and every report of a reader with a record. Readers with a record are never damped, and
only untested ones make up a burst: otherwise strangers could damp the people to be trusted by joining in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=10)
CROWD = {"comment": 5, "story": 8, "author": 8}  # untested readers within WINDOW from which on they are a burst
YOUNG = timedelta(days=7)  # an account younger than this, or of unknown age, is a new one
COHORT_WINDOW = timedelta(days=1)
COHORT = 3  # new accounts within COHORT_WINDOW from which on they are a burst

Pair = tuple[str, str]  # (reporter, comment)


@dataclass(frozen=True, slots=True)
class Sighting:
    """That an untested reader reported a comment: where, at which moment, with an account how old (None: unknown)."""

    reporter: str
    comment: str
    story: str
    author: str
    at: datetime
    age: timedelta | None

    @property
    def young(self) -> bool:
        """Whether the account was new when it reported."""
        return self.age is None or self.age < YOUNG


def bursts(sightings: Iterable[Sighting]) -> frozenset[Pair]:
    """The (reporter, comment) pairs that are part of a burst. The order of the sightings does not matter."""
    targets: dict[tuple[str, str], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        for kind in CROWD:
            targets[kind, getattr(sighting, kind)].append(sighting)
    found: set[Pair] = set()
    for (kind, _), group in targets.items():
        if len(group) >= min(CROWD[kind], COHORT):
            found |= _crowded(group, WINDOW, CROWD[kind])
            found |= _crowded([one for one in group if one.young], COHORT_WINDOW, COHORT)
    return frozenset(found)


def _crowded(group: list[Sighting], window: timedelta, crowd: int) -> set[Pair]:
    """Pairs of the sightings that lie in some window with at least `crowd` different reporters."""
    if len(group) < crowd:
        return set()
    ordered = sorted(group, key=lambda one: one.at)
    inside: dict[str, int] = defaultdict(int)  # reporter -> sightings in the window
    found: set[Pair] = set()
    start = marked = 0
    for end, last in enumerate(ordered):
        inside[last.reporter] += 1
        while last.at - ordered[start].at > window:
            reporter = ordered[start].reporter
            inside[reporter] -= 1
            if not inside[reporter]:
                del inside[reporter]
            start += 1
        if len(inside) >= crowd:
            found |= {(one.reporter, one.comment) for one in ordered[max(start, marked) : end + 1]}
            marked = end + 1
    return found
