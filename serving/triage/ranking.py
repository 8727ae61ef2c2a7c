"""P(upheld): the probability that a moderator upholds a report of a comment, as a sum of log-odds with its reasons.

    log-odds = intercept + text · logit(report_worthy) + fit · (fit of the reasons - NEUTRAL) + reports · evidence

The sum of independent weights of evidence would be naive Bayes. Readers are not independent of the text or of one
another, hence a weight below 1 for reports, and diminishing returns between readers: if any two reports agree by a
correlation of AGREEMENT beyond what the comment explains, k of them are worth k / (1 + (k - 1) · AGREEMENT)
independent ones (the design effect of Kish 1965, "Survey Sampling"). The best reader counts fully, each further one
less, all together at most 1 / AGREEMENT times the best. Readers who come together count as one, the best of them:
those of a burst (bursts.py), and those who keep reporting the same comments (parties.py).

What holds, whatever the numbers (weights must not be negative; tests/serving/triage):
- the order of reports, repeated filings and withdrawn reports change nothing;
- a reader counts once per comment, whatever the number of reasons;
- the better a reader's past reports turned out, the higher the comments that the reader reports;
- a burst of accounts without a record weighs as much as one of them, NEWCOMERS_MOST: a constant;
- no report lowers a comment below what its best reader's alone gives it. A report by which a crowd turns out to be
  a burst, or readers a party, takes back what their number had added, of untested readers at most BURST_TAKES.

There is no action here. What happens to a comment is for a moderator, or for rules on scores, never for counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.triage.bursts import Pair, Sighting, bursts
from serving.triage.evidence import REASONS, Case, Reason, Report, Reporter, standing
from serving.triage.parties import parties
from serving.triage.reporters import BASE, NEWCOMER, UNTRIED_MOST, Record, logit, record

AGREEMENT = 0.7  # correlation between readers' reports: 2 count as 1.18, 5 as 1.32, any number as less than 1.43
LEAST, MOST = 0.005, 0.995  # scores are cut here, as no text alone makes a thing certain
# The fit of a reason that the model cannot see, about the mean of what it sees for a reason picked well.
NEUTRAL = 0.2
BURST = "burst"  # the group of a case's readers who came in one
NAMED = 4  # readers with a record who get a line of their own in an explanation


@dataclass(frozen=True, slots=True)
class Weights:
    """What multiplies each feature; none but the intercept may be negative."""

    intercept: float = 0.0
    text: float = 1.0
    fit: float = 0.5
    reports: float = 0.5

    def __post_init__(self) -> None:
        values = (self.intercept, self.text, self.fit, self.reports)
        if not all(map(math.isfinite, values)) or min(values[1:]) < 0:
            raise ValueError(f"expected finite weights, of which only the intercept may be negative: {self}")


DEFAULT = Weights()
# Log-odds, at the default weights: what any number of new accounts adds in one burst, and what a burst takes back.
NEWCOMERS_MOST = DEFAULT.reports * NEWCOMER.value
BURST_TAKES = DEFAULT.reports * UNTRIED_MOST * (1 / AGREEMENT - 1)


@dataclass(frozen=True, slots=True)
class Features:
    """What the weights multiply: log-odds of the text, fit less NEUTRAL (-0.2..0.8), readers' evidence in log-odds."""

    text: float
    fit: float
    reports: float


@dataclass(frozen=True, slots=True)
class Line:
    """One reason of an explanation, and its part of the log-odds: positive raises the comment, negative lowers it."""

    words: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A case with its probability and why. The lines' contributions sum (math.fsum) to exactly `log_odds`."""

    case: Case
    features: Features
    explanation: tuple[Line, ...]

    @property
    def log_odds(self) -> float:
        """Log-odds that a moderator upholds a report."""
        return math.fsum(line.contribution for line in self.explanation)

    @property
    def probability(self) -> float:
        """P(upheld), 0..1."""
        return sigmoid(self.log_odds)

    def rounded(self, digits: int = 2) -> tuple[tuple[Line, ...], float]:
        """The explanation to show, and its total: rounded so that what is shown still adds up.

        The total is rounded as usual; the lines by largest remainder, so that none is off by a whole last digit.
        """
        unit = 10**digits
        exact = [line.contribution * unit for line in self.explanation]
        total = round(self.log_odds * unit)
        whole = [math.floor(value) for value in exact]
        most = sorted(range(len(exact)), key=lambda number: whole[number] - exact[number])
        for number in most[: total - sum(whole)]:
            whole[number] += 1
        lines = (Line(line.words, each / unit) for line, each in zip(self.explanation, whole, strict=True))
        return tuple(lines), total / unit


@dataclass(frozen=True, slots=True)
class _Reader:
    """One reader's part in a case. Readers of the same `group` count as one; a reader alone is a group."""

    id: str
    record: Record
    group: str


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known beyond one case: readers' records, who reports in a burst, and who is of a party."""

    records: Mapping[str, Record]
    damped: frozenset[Pair]
    parties: Mapping[str, str]


def sigmoid(log_odds: float) -> float:
    """The probability of log-odds."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def returns(rank: int) -> float:
    """What the reader of a rank from 1, best first, adds, 0..1 of what one alone would; the sum is Kish's number."""

    def worth(count: int) -> float:
        return count / (1 + (count - 1) * AGREEMENT)

    return worth(rank) - (worth(rank - 1) if rank > 1 else 0.0)


def rank(
    cases: Iterable[Case],
    reporters: Mapping[str, Reporter],
    now: datetime,
    weights: Weights = DEFAULT,
    context: Iterable[Case] = (),
) -> list[Ranked]:
    """The queue, most likely upheld first; of equals the longest waiting. Cases without a standing report are left out.

    `context`: cases that are not to be ranked, say decided ones of the last day, whose reports may be part of a
    burst with others. Of reporters that are missing nothing is known: they are newcomers with new accounts.
    """
    cases = list(cases)
    evidence = {id(case): standing(case.reports) for case in cases}
    everything = [(case, standing(case.reports)) for case in context] + [(case, evidence[id(case)]) for case in cases]
    around = _around(everything, reporters, now)
    ranked = [_assess(case, evidence[id(case)], around, weights) for case in cases if evidence[id(case)]]
    waiting = {id(one): min(report.at for report in evidence[id(one.case)]) for one in ranked}
    return sorted(ranked, key=lambda one: (-one.log_odds, waiting[id(one)], one.case.comment))


def assess(case: Case, reporters: Mapping[str, Reporter], now: datetime, weights: Weights = DEFAULT) -> Ranked:
    """One case by itself: bursts are seen only within it. Without a standing report it is what the text says."""
    reports = standing(case.reports)
    return _assess(case, reports, _around([(case, reports)], reporters, now), weights)


def records_of(ids: Iterable[str], reporters: Mapping[str, Reporter], now: datetime) -> dict[str, Record]:
    """Each reader's record at a moment; a newcomer's for those who are unknown."""
    return {each: record(reporters[each], now) if each in reporters else NEWCOMER for each in ids}


def reason_fit(reasons: Iterable[Reason], scores: Mapping[str, float]) -> tuple[float, str]:
    """The best fit of the stated reasons, 0..1, and words for it, none where the text cannot tell.

    The best, so that no further report can lower it; a reason that the model cannot see fits NEUTRAL.
    """
    found = []
    for reason in reasons:
        seen = [name for name in REASONS[reason] if name in scores]
        for name in seen:
            words = f"the reason “{reason.replace('_', ' ')}” against the text's {name}, {scores[name]:.2f}"
            found.append((scores[name], words))
        if not seen:
            found.append((NEUTRAL, ""))
    return max(found, default=(NEUTRAL, ""))


def _around(
    everything: Sequence[tuple[Case, Sequence[Report]]], reporters: Mapping[str, Reporter], now: datetime
) -> _Around:
    records = records_of({report.reporter for _, reports in everything for report in reports}, reporters, now)
    pairs = {(report.reporter, case.comment) for case, reports in everything for report in reports}
    return _Around(records, bursts(_sightings(everything, reporters, records)), parties(pairs))


def _sightings(
    around: Sequence[tuple[Case, Sequence[Report]]], reporters: Mapping[str, Reporter], records: Mapping[str, Record]
) -> list[Sighting]:
    found = []
    for case, reports in around:
        first: dict[str, datetime] = {}
        for report in reports:
            first[report.reporter] = min(report.at, first.get(report.reporter, report.at))
        for each, at in first.items():
            if not records[each].tried:
                created = reporters[each].created if each in reporters else None
                age = None if created is None else at - created
                found.append(Sighting(each, case.comment, case.story, case.author, at, age))
    return found


def _assess(case: Case, reports: Sequence[Report], around: _Around, weights: Weights) -> Ranked:
    lines = []
    if weights.intercept:
        lines.append(Line("what this site's moderators uphold more or less than the model expects", weights.intercept))
    score = case.scores.get("report_worthy")
    text = logit(BASE if score is None else min(max(score, LEAST), MOST))
    alone = "no score of the text: as the average comment's" if score is None else f"the text alone: {score:.2f}"
    lines.append(Line(alone, weights.text * text))
    best, words = reason_fit(sorted({report.reason for report in reports}), case.scores)
    fit = best - NEUTRAL
    if words:
        lines.append(Line(words, weights.fit * fit))
    ids = sorted({report.reporter for report in reports})
    groups = _evidence([_Reader(each, around.records[each], _group(each, case.comment, around)) for each in ids])
    lines += [Line(words, weights.reports * value) for words, value in groups]
    return Ranked(case, Features(text, fit, math.fsum(value for _, value in groups)), tuple(lines))


def _group(reader: str, comment: str, around: _Around) -> str:
    if (reader, comment) in around.damped:
        return BURST
    return f"party {around.parties[reader]}" if reader in around.parties else f"reader {reader}"


def _evidence(readers: Sequence[_Reader]) -> list[tuple[str, float]]:
    """Words and evidence in log-odds, from 0 up, of each reader or group of readers."""
    members: dict[str, list[_Reader]] = defaultdict(list)
    for one in sorted(readers, key=lambda one: (-one.record.value, one.id)):
        members[one.group].append(one)  # the best reader first, and so the best group
    values = {group: each[0].record.value * returns(place) for place, (group, each) in enumerate(members.items(), 1)}
    together = {group for group, each in members.items() if len(each) > 1}
    tried = [group for group, (best, *_) in members.items() if best.record.tried and group not in together]
    new = [group for group in members if group not in together and group not in tried]
    found = [(f"a reader with {_named(members[group][0].record)}", values[group]) for group in tried[:NAMED]]
    for words, some in (("more with a record", tried[NAMED:]), ("without a record yet", new)):
        if some:
            found.append((f"{_count(len(some))} {words}", math.fsum(values[group] for group in some)))
    for group in sorted(together, key=list(members).index):
        size, best = len(members[group]), members[group][0].record
        if group == BURST:
            words = f"{_count(size)} without a record yet who came in a burst, counted as one"
        else:
            record = f", the best with {_named(best)}" if best.tried else ""
            words = f"{_count(size)} who keep reporting the same comments, counted as one{record}"
        found.append((words, values[group]))
    return found


def _count(number: int) -> str:
    return f"{number} reader" if number == 1 else f"{number} readers"


def _named(record: Record) -> str:
    share = f"{record.upheld:.1f} of {record.decided:.1f} past reports upheld (older ones count less)"
    return f"{share}, precision {record.precision:.2f}"
