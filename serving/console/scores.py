"""A comment's scores as a moderator reads them: what is asked, what the number means, what the policy makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import policy
from serving.console import words
from serving.moderation.tables import Decision
from serving.policy import Policy
from serving.policy.words import explain, in_words

HEADLINES = ("report_worthy", "incivility", "constructive")
PRAISE = frozenset({"constructive", "reasoning", "personal_story"})
LEAST = 0.1  # other scores below this are folded away


@dataclass(frozen=True, slots=True)
class Score:
    """One score, 0..1. `thresholds`: those of the policy's rules on it, each with the rule in words."""

    name: str
    value: float
    definition: str
    question: str
    thresholds: Sequence[tuple[float, str]]

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
    thresholds = _thresholds(ruling, section)
    first = [name for name in HEADLINES if name in scores]
    others = sorted((name for name in scores if name not in HEADLINES), key=lambda name: -scores[name])
    every = [_score(name, scores[name], thresholds.get(name, ())) for name in (*first, *others)]
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


def _thresholds(ruling: Policy, section: str | None) -> dict[str, list[tuple[float, str]]]:
    found: dict[str, list[tuple[float, str]]] = {}
    for name, rules in ruling.lists(section):
        whose = f" of the section {name}" if name else ""
        for number, rule in enumerate(rules, start=1):
            if rule.attribute:
                said = f"Rule {number}{whose}: {in_words(rule)}"
                found.setdefault(rule.attribute, []).append((rule.threshold, said))
    return found


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


def _score(name: str, value: float, thresholds: Sequence[tuple[float, str]]) -> Score:
    known = words.attribute(name)
    return Score(name, value, known.definition if known else "", known.question if known else "", thresholds)
