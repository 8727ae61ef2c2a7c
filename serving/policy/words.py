"""Rules and reasons in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.policy.decide import Decision, Reason
from serving.policy.facts import PHRASES, Fact
from serving.policy.file import Policy
from serving.policy.rules import Condition, Range, Rule

# What follows the reasons, by why; the last is of serving/moderation/comments.py.
ENDINGS = {
    "disagreement": "They disagree, so a person decides.",
    "missing_score": "That is not known, so a person decides.",
    "removed_before": "A moderator removed the wording before, so a person decides.",
}


def describe(policy: Policy) -> list[str]:
    """A policy, a line for each list and rule."""
    lines: list[str] = []
    for section, rules in policy.sections.items():
        lines += [f"In the section {section}, first:", *_numbered(rules)]
    if policy.sections:
        lines += ["Then, and in every other section:"] if policy.rules else []
    lines += _numbered(policy.rules)
    return [*lines, "Where no rule matches, the comment is accepted."]


def condition_of(rule: Rule) -> str:
    """For which comments a rule is: `report_worthy at least 0.5, section politics`."""
    parts = [f"{rule.attribute} {_bounds(rule.at_least, rule.below)}"] if rule.attribute else []
    parts += [_condition(name, condition) for name, condition in rule.conditions.items()]
    return ", ".join(parts) or "every comment"


def in_words(rule: Rule) -> str:
    """A rule: its condition and its action."""
    nudge = "; the author is first asked to reword" if rule.nudge else ""
    return f"{condition_of(rule)}: {rule.action}{nudge}"


def explain(decision: Decision) -> list[str]:
    """Why a decision was made, for a moderator, a sentence or two."""
    return explain_record(decision.record())


def explain_record(record: Mapping[str, Any]) -> list[str]:
    """The same of what is stored: `Decision.record`, or its `shadow` (policies.Outcome)."""
    said = [_reason(Reason.of(reason)) for reason in record.get("reasons", ())]
    said += [ENDINGS[record["why"]]] if record.get("why") in ENDINGS else []
    return said or ["No rule matched."]


def _reason(reason: Reason) -> str:
    whose = f" of the section {reason.section}" if reason.section else ""
    parts: list[str] = []
    if reason.attribute is not None and reason.threshold is not None:
        parts.append(
            f"{reason.attribute} is missing"
            if reason.score is None
            else f"{reason.attribute} {reason.score:.2f}, {_side(reason.score, reason.threshold)}"
        )
    parts += [_fact(name, fact) for name, fact in reason.facts.items()]
    return f"Rule {reason.rule}{whose} ({reason.action}): {', '.join(parts) or 'every comment'}."


def _side(score: float, threshold: float) -> str:
    return f"at least {threshold:g}" if score >= threshold else f"below {threshold:g}"


def _numbered(rules: Sequence[Rule]) -> list[str]:
    return [f"  {number}. {in_words(rule)}" for number, rule in enumerate(rules, start=1)]


def _bounds(at_least: float | None, below: float | None) -> str:
    bounds = [f"at least {at_least:g}"] if at_least is not None else []
    bounds += [f"below {below:g}"] if below is not None else []
    return " and ".join(bounds)


def _condition(name: str, condition: Condition) -> str:
    phrase = PHRASES[name]
    if isinstance(condition, Range):
        return f"{phrase} {_bounds(condition.at_least, condition.below)}"
    if isinstance(condition, tuple):
        return f"{phrase} {' or '.join(condition)}"
    return phrase if condition else f"not a {phrase}"


def _fact(name: str, fact: Fact) -> str:
    phrase = PHRASES[name]
    if isinstance(fact, bool):
        return phrase if fact else f"not a {phrase}"
    return f"{phrase} {fact}" if isinstance(fact, str) else f"{phrase} {fact:g}"
