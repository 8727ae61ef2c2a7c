"""Scores and facts to a decision: ordered lists of rules, of which the first that matches decides.

The order is nearly the whole of the precedence, as in a list that a moderator reads from the top: nothing is added up,
so that every decision has a rule, a score and a threshold to explain it. Write the rules that protect readers above
those that praise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from serving.policy.facts import Fact, Facts
from serving.policy.rules import Action, Rule

if TYPE_CHECKING:
    from serving.policy.file import Policy

# rule: the first that matched. disagreement: it and a later one are opposed. missing_score: it cannot be known which
# rules match. no_rule: none did.
Why = Literal["rule", "disagreement", "missing_score", "no_rule"]

# What of a later rule of the same list opposes an action. A hold is a person's decision already, so nothing opposes it;
# and accept above hold is how exceptions are written, such as for authors who are known.
OPPOSED: Mapping[Action, frozenset[Action]] = {
    "accept": frozenset({"reject"}),
    "feature": frozenset({"reject", "hold"}),
    "reject": frozenset({"accept", "feature"}),
    "flag": frozenset(),
    "hold": frozenset(),
}


@dataclass(frozen=True)
class Reason:
    """A rule that speaks on a comment: its number from 1 in its section's list or (`section` None) the site's.

    `score` of `attribute` is None if it is missing, and both are if the rule asks for no score. `threshold` is the
    bound to name. `facts` are those that the rule asked for. `words` are the rule's own, for the author.
    """

    rule: int
    action: Action
    attribute: str | None = None
    score: float | None = None
    threshold: float | None = None
    words: str | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    section: str | None = None

    @property
    def missing(self) -> bool:
        """Whether the rule asks for a score that is not there."""
        return self.attribute is not None and self.score is None

    def record(self) -> dict[str, Any]:
        """The same for JSON, without what is not set."""
        every = {
            "section": self.section,
            "rule": self.rule,
            "action": self.action,
            "attribute": self.attribute,
            "score": self.score,
            "threshold": self.threshold,
            "facts": dict(self.facts) or None,
            "reason": self.words,
        }
        return {key: value for key, value in every.items() if value is not None}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Reason:
        """The reason that `record` gave."""
        return cls(
            record["rule"],
            record["action"],
            record.get("attribute"),
            record.get("score"),
            record.get("threshold"),
            record.get("reason"),
            record.get("facts", {}),
            record.get("section"),
        )


@dataclass(frozen=True)
class Decision:
    """What to do with a comment, and why.

    `reasons`: rule: the rule; disagreement: the first rule that matched and the one that opposes it; missing_score: the
    rule without its score, after the first that matched if there was one; no_rule: none. `nudge`: what to ask the
    author, who may reword the comment before the action is taken; None if that is not offered.
    """

    action: Action
    why: Why
    reasons: tuple[Reason, ...] = ()
    nudge: str | None = None

    @property
    def words(self) -> str | None:
        """The deciding rule's words for the author, if a rule decided and has any."""
        return self.reasons[0].words if self.why == "rule" else None

    def record(self, facts: Facts | None = None) -> dict[str, Any]:
        """For JSON: action, why, reasons, and all `facts` known at the time. What a statement of reasons (DSA Art. 17)
        needs of the machine's part: which rule, score and threshold, and that nobody had looked yet.
        """
        found: dict[str, Any] = {
            "action": self.action,
            "why": self.why,
            "reasons": [reason.record() for reason in self.reasons],
            "automated_detection": True,
            "automated_decision": self.action == "reject",
        }
        if self.nudge:
            found["nudge"] = self.nudge
        if facts is not None:
            found["facts"] = facts.known
        return found


def decide(policy: Policy, scores: Mapping[str, float], facts: Facts | None = None) -> Decision:
    """The decision on a comment by its site's policy. Never raises.

    The section's rules are read first; where none of them matches, the site's; where none of those does, the comment is
    accepted. The first rule of a list that matches decides, except that a person does (hold)

    - if a later rule of the same list matches and is OPPOSED to it: reject against accept or feature, feature against
      reject or hold;
    - if a rule is reached whose facts match and whose score is missing or not a number: whether it would have decided,
      or opposed the decision, is unknown.
    """
    facts = facts or Facts()
    known = facts.known
    for section, rules in policy.lists(facts.section):
        spoken = list(_speaking(rules, scores, known, section))
        if not spoken:
            continue
        rule, first = spoken[0]
        if first.missing:
            return Decision("hold", "missing_score", (first,))
        if opposed := [reason for _, reason in spoken[1:] if reason.action in OPPOSED[first.action]]:
            certain = next((reason for reason in opposed if not reason.missing), None)
            if certain:
                return Decision("hold", "disagreement", (first, certain))
            return Decision("hold", "missing_score", (first, opposed[0]))
        return Decision(first.action, "rule", (first,), rule.nudge if facts.first_attempt else None)
    return Decision("accept", "no_rule")


def first_match(rules: Sequence[Rule], scores: Mapping[str, float], facts: Facts | None = None) -> Reason | None:
    """The first rule that matches; None, no opinion, if none does: for systems that have rules of their own, as Coral.

    Also None as soon as a rule whose facts match asks for a score that is missing: whether it would have decided is
    unknown, so a later and perhaps milder rule must not.
    """
    known = facts.known if facts else {}
    reason = next((reason for _, reason in _speaking(rules, scores, known, None)), None)
    return None if reason is None or reason.missing else reason


def _speaking(
    rules: Sequence[Rule], scores: Mapping[str, float], known: Mapping[str, Fact], section: str | None
) -> Iterator[tuple[Rule, Reason]]:
    """The rules that match, and those of which it is unknown because their score is missing, in order."""
    for number, rule in enumerate(rules, start=1):
        if not rule.applies(known):
            continue
        asked = {name: known[name] for name in rule.conditions}
        if rule.attribute is None:
            yield rule, Reason(number, rule.action, words=rule.reason, facts=asked, section=section)
            continue
        score: float | None = scores.get(rule.attribute, math.nan)
        if score is None or math.isnan(score):
            score = None
        elif not rule.matches(score):
            continue
        yield rule, Reason(number, rule.action, rule.attribute, score, rule.threshold, rule.reason, asked, section)
