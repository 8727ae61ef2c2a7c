"""Triage: in which order moderators see reported comments, and why. Pure functions: no storage, no clock, no action.

`ranking.rank` orders cases by P(upheld | text, reports, reporters); docs/triage.md tells it in words.
"""

from serving.triage.evidence import REASONS, Case, Outcome, Reason, Report, Reporter
from serving.triage.fitting import Decided, Fit, fit
from serving.triage.ranking import DEFAULT, Features, Line, Ranked, Weights, assess, rank, records_of

__all__ = [
    "DEFAULT",
    "REASONS",
    "Case",
    "Decided",
    "Features",
    "Fit",
    "Line",
    "Outcome",
    "Ranked",
    "Reason",
    "Report",
    "Reporter",
    "Weights",
    "assess",
    "fit",
    "rank",
    "records_of",
]
