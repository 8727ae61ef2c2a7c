"""Scores to a decision: an ordered list of rules, of which the first that matches decides.

The order is the whole of the precedence, as in a list that a moderator reads from the top: nothing is
combined, so that every decision has exactly one rule, score and threshold to explain it. Write the rules
that protect readers above those that praise. Where no rule matches, or a rule asks for a score that is not
there, there is no opinion: silence is left to the system that asked and to its people.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# accept: publish. hold: a person decides before it is published. flag: published, and a person looks at it.
# reject: not published. feature: worth an editor's praise.
Action = Literal["accept", "hold", "flag", "reject", "feature"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Bound = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class RuleError(ValueError):
    """A rule cannot stand. `rule` is its number from 1, `key` the key to blame; the message has both."""

    def __init__(self, rule: int, key: str, problem: str) -> None:
        super().__init__(f"rule {rule}: {key}: {problem}")
        self.rule, self.key = rule, key


class Rule(BaseModel):
    """An action for a range of one attribute's score: `at_least` <= score < `below`, either bound optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attribute: str
    at_least: Bound | None = None
    below: Bound | None = None
    action: Action
    reason: Words | None = Field(None, description="why, in words that the comment's author may be shown")

    @property
    def span(self) -> tuple[float, float]:
        """The range of scores, 0..1, the end exclusive; infinity where it is open at the top."""
        return self.at_least or 0.0, math.inf if self.below is None else self.below

    @property
    def threshold(self) -> float:
        """The bound to name in an explanation: `at_least`, or `below` where there is no other."""
        return self.span[1] if self.at_least is None else self.at_least

    def matches(self, score: float) -> bool:
        """Whether a score is in the range."""
        low, high = self.span
        return low <= score < high


@dataclass(frozen=True)
class Decision:
    """What to do with a comment, and why: the rule, its number from 1, its attribute, score and threshold."""

    action: Action
    rule: int
    attribute: str
    score: float
    threshold: float
    reason: str | None = None


# Nothing is removed by a machine alone: what a moderator would more likely than not remove waits for one.
DEFAULT = (Rule(attribute="report_worthy", at_least=0.5, action="hold"),)


def decide(scores: Mapping[str, float], rules: Sequence[Rule]) -> Decision | None:
    """The decision of the first rule that matches; None, no opinion, if none does.

    Also None as soon as a rule asks for an attribute without a score: whether it would have decided is
    unknown, so a later and perhaps milder rule must not.
    """
    for number, rule in enumerate(rules, start=1):
        score = scores.get(rule.attribute, math.nan)
        if math.isnan(score):
            return None
        if rule.matches(score):
            return Decision(rule.action, number, rule.attribute, score, rule.threshold, rule.reason)
    return None


def check(rules: Sequence[Rule], attributes: Collection[str]) -> None:
    """Raises RuleError for an unknown attribute, a range without a score in it, and a rule that no comment can
    reach because those above it match every score that it would.
    """
    above: dict[str, list[Rule]] = {}
    for number, rule in enumerate(rules, start=1):
        if rule.attribute not in attributes:
            known = ", ".join(sorted(attributes))
            raise RuleError(number, "attribute", f"there is no {rule.attribute[:64]!r}; known are {known}")
        if rule.at_least is None and rule.below is None:
            raise RuleError(number, "at_least", "expected at_least, below, or both")
        low, high = rule.span
        if low >= high:
            raise RuleError(number, "below", f"no score is at least {low:g} and below {high:g}")
        if all_matched := [name for name, earlier in above.items() if _covers(earlier, (0.0, math.inf))]:
            raise RuleError(number, "attribute", f"unreachable: the rules above decide on every {all_matched[0]} score")
        if _covers(above.get(rule.attribute, []), (low, high)):
            raise RuleError(
                number, "at_least", f"unreachable: the rules above decide on every such {rule.attribute} score"
            )
        above.setdefault(rule.attribute, []).append(rule)


def _covers(rules: Sequence[Rule], span: tuple[float, float]) -> bool:
    """Whether every score of a range matches one of the rules, which are of one attribute."""
    reached, end = span
    for low, high in sorted(rule.span for rule in rules):
        if low <= reached:
            reached = max(reached, high)
    return reached >= end
