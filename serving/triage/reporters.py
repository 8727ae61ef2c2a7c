"""How much a reader's report is worth, from how the reader's past reports were decided.

Precision is the share of a reader's reports that moderators uphold. Its estimate is the mean of a Beta posterior:
a prior of a few imagined decisions, plus the real ones, each of which halves in weight every HALF_LIFE. That is the
Beta reputation system with forgetting of Jøsang and Ismail (2002, "The Beta Reputation System", 15th Bled
Electronic Commerce Conference). Dawid and Skene (1979, "Maximum Likelihood Estimation of Observer Error-Rates Using
the EM Algorithm", Applied Statistics 28) would estimate readers and comments together without moderators; here
moderators' decisions are known, which leaves nothing to iterate and nothing for a majority of colluders to bend.

A report's value is its weight of evidence (Good 1985, "Weight of Evidence: A Brief Survey", Bayesian Statistics 2):
by how much, in log-odds, comments that this reader reports are upheld more often than comments picked at random.
It is never negative. A report by someone who is always wrong is worth nothing, but if it counted against a comment,
people could protect one by reporting it badly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.triage.evidence import Outcome, Reporter

# Six imagined decisions, two upheld: a newcomer is taken for the average reader, a third of whose reports are upheld,
# and some six real decisions weigh as much as that assumption.
PRIOR_UPHELD = 2.0
PRIOR_DECLINED = 4.0
HALF_LIFE = timedelta(days=180)  # people change, and accounts are sold: a year-old decision counts a quarter
BASE = 0.1  # share of comments picked at random that a moderator would uphold a report of: a report worth nothing
TRIED = 3.0  # decisions, decayed, from which on a reader's judgement counts as tested


@dataclass(frozen=True, slots=True)
class Record:
    """A reader's decided reports, decayed to one moment: numbers of those upheld and declined, each from 0 up."""

    upheld: float = 0.0
    declined: float = 0.0

    @property
    def decided(self) -> float:
        """Decisions, decayed."""
        return self.upheld + self.declined

    @property
    def tried(self) -> bool:
        """Whether there are enough decisions to judge the reader by, rightly or wrongly as they may have turned out."""
        return self.decided >= TRIED

    @property
    def precision(self) -> float:
        """Mean of the posterior of the share of this reader's reports that are upheld, 0..1 exclusive."""
        return (PRIOR_UPHELD + self.upheld) / (PRIOR_UPHELD + PRIOR_DECLINED + self.decided)

    @property
    def value(self) -> float:
        """Weight of evidence of one report of this reader, in log-odds, from 0 up."""
        return max(0.0, logit(self.precision) - logit(BASE))


def logit(probability: float) -> float:
    """Log-odds of a probability between 0 and 1, both exclusive."""
    return math.log(probability) - math.log1p(-probability)


NEWCOMER = Record()
# What a reader can be worth at most without TRIED decisions.
UNTRIED_MOST = Record(upheld=TRIED).value


def record(reporter: Reporter, now: datetime) -> Record:
    """The reader's record at a moment; outcomes after it are not known yet and do not count."""
    latest: dict[str, Outcome] = {}
    for outcome in reporter.outcomes:
        known = latest.get(outcome.comment)
        # Of two decisions at the same moment the milder one: the order of the outcomes must not matter.
        if outcome.at <= now and (known is None or (outcome.at, not outcome.upheld) > (known.at, not known.upheld)):
            latest[outcome.comment] = outcome
    sums = {True: [0.0], False: [0.0]}
    for outcome in latest.values():
        sums[outcome.upheld].append(0.5 ** ((now - outcome.at) / HALF_LIFE))
    return Record(math.fsum(sums[True]), math.fsum(sums[False]))
