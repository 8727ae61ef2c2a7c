"""A comment's scores as a moderator reads them: what is asked, what the number means, what the policy makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import policy
from serving.console import words
from serving.moderation.tables import Decision
from serving.policy import Policy
from serving.policy.rules import Rule
from serving.policy.words import condition_of, explain, in_words

HEADLINES = ("report_worthy", "incivility", "constructive")
PRAISE = frozenset({"constructive", "reasoning", "personal_story"})
LEAST = 0.1  # other scores below this are folded away


@dataclass(frozen=True, slots=True)
class Score:
    """One score, 0..1. `thresholds`: those of the policy's rules on it, each with the rule in words. `standing`: where
    the score stands to each, in words.
    """

    name: str
    value: float
    definition: str
    question: str
    thresholds: Sequence[tuple[float, str]]
    standing: Sequence[str]

    @property
    def plain(self) -> str:
        """The attribute's name as people write it."""
        return words.plain(self.name)

    @property
    def meaning(self) -> str:
        """What the score means, counted in a hundred comments."""
        return words.in_hundred(self.value)


def rows(scores: Mapping[str, float], ruling: Policy, section: str | None) -> tuple[list[Score], list[Score]]:
    """The scores to show, the three that matter most first, then the others from high to low; and those folded away."""
    rules = _rules(ruling, section)
    first = [name for name in HEADLINES if name in scores]
    others = sorted((name for name in scores if name not in HEADLINES), key=lambda name: -scores[name])
    every = [_score(name, scores[name], rules.get(name, ())) for name in (*first, *others)]
    shown = [one for one in every if one.name in HEADLINES or one.value >= LEAST or one.thresholds]
    return shown, [one for one in every if one not in shown]


def strongest(scores: Mapping[str, float]) -> str | None:
    """The attribute that speaks loudest against a text, and so the first to be asked which words it rests on."""
    against = [name for name in scores if name not in PRAISE]
    return max(against, key=lambda name: scores[name], default=None)


def ruling_on(decisions: Sequence[Decision], revision: int) -> list[str]:
    """What the policy did with this wording, and why, in sentences; none if it was not asked."""
    for decision in decisions:
        if decision.actor == "policy" and decision.revision == revision and decision.rule:
            return _explained(decision.rule)
    return []


def _rules(ruling: Policy, section: str | None) -> dict[str, list[tuple[str, Rule]]]:
    """The rules on each attribute that a comment of the section comes to, with what they are called."""
    found: dict[str, list[tuple[str, Rule]]] = {}
    for name, rules in ruling.lists(section):
        whose = f" of the section {name}" if name else ""
        for number, rule in enumerate(rules, start=1):
            if rule.attribute:
                found.setdefault(rule.attribute, []).append((f"rule {number}{whose}", rule))
    return found


def _standing(score: float, called: str, rule: Rule) -> str:
    """Where a score stands to a rule's bounds, and what that means."""
    low, high = rule.span
    others = condition_of(rule).partition(", ")[2]  # than the score's
    would = f"{called} would {rule.action} it" + (f" (if {others})" if others else "")
    if score < low:
        return f"Below {low:g}, from which on {would}."
    if score >= high:
        return f"Not below {high:g}, up to which {would}."
    bounds = condition_of(rule).partition(", ")[0].partition(" ")[2]
    return f"{bounds.capitalize()}: {would}." if bounds else f"Any score: {would}."


def _explained(record: Mapping[str, Any]) -> list[str]:
    try:
        reasons = tuple(
            policy.Reason(
                rule=one["rule"],
                action=one["action"],
                attribute=one.get("attribute"),
                score=one.get("score"),
                threshold=one.get("threshold"),
                words=one.get("reason"),
                facts=one.get("facts") or {},
                section=one.get("section"),
            )
            for one in record.get("reasons", ())
        )
        return explain(policy.Decision(record["action"], record["why"], reasons))
    except (KeyError, TypeError, AttributeError):  # of a version that recorded otherwise
        return []


def _score(name: str, value: float, rules: Sequence[tuple[str, Rule]]) -> Score:
    known = words.attribute(name)
    return Score(
        name,
        value,
        known.definition if known else "",
        known.question if known else "",
        [(rule.threshold, f"{called.capitalize()}: {in_words(rule)}") for called, rule in rules],
        [_standing(value, called, rule) for called, rule in rules],
    )
