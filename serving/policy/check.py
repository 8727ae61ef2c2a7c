"""Rules that cannot stand: unknown attributes, empty ranges, rules that no comment reaches."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence

from serving.policy.facts import PHRASES
from serving.policy.rules import Condition, Range, Rule


class RuleError(ValueError):
    """A rule cannot stand. `rule` is its number from 1, `key` the key to blame; the message has both."""

    def __init__(self, rule: int, key: str, problem: str) -> None:
        super().__init__(f"rule {rule}: {key}: {problem}")
        self.rule, self.key, self.problem = rule, key, problem


def check(rules: Sequence[Rule], attributes: Collection[str], facts: Collection[str] = tuple(PHRASES)) -> None:
    """Raises RuleError for an unknown attribute; a range without a number in it; a condition on none of the
    `facts` that the system at hand tells; a nudge where a new wording would change nothing; and a rule that no comment
    can reach because those above it match every one that it would.
    """
    for number, rule in enumerate(rules, start=1):
        _score(number, rule, attributes)
        for name, condition in rule.conditions.items():
            if name not in facts:
                known = ", ".join(facts) or "none"
                raise RuleError(number, name, f"this fact is not known here; known are {known}")
            if isinstance(condition, Range):
                _range(number, name, condition)
        if rule.nudge and rule.action not in ("hold", "reject"):
            raise RuleError(number, "nudge", f"only for hold and reject: {rule.action} asks nothing of the author")
        if rule.nudge and rule.attribute is None and rule.links is None:
            raise RuleError(
                number, "nudge", "other words would change nothing: the rule asks for neither score nor links"
            )
        _reached(number, rule, rules[: number - 1])


def _score(number: int, rule: Rule, attributes: Collection[str]) -> None:
    if rule.attribute is None:
        if rule.at_least is not None or rule.below is not None:
            raise RuleError(number, "attribute", "missing: which score is it that has this range?")
        return
    if rule.attribute not in attributes:
        known = ", ".join(sorted(attributes))
        raise RuleError(number, "attribute", f"there is no {rule.attribute[:64]!r}; known are {known}")
    if rule.at_least is None and rule.below is None:
        raise RuleError(number, "at_least", "expected at_least, below, or both")
    low, high = rule.span
    if low >= high:
        raise RuleError(number, "below", f"no score is at least {low:g} and below {high:g}")


def _range(number: int, name: str, condition: Range) -> None:
    if condition.at_least is None and condition.below is None:
        raise RuleError(number, name, "expected at_least, below, or both")
    low, high = condition.span
    if low >= high:
        raise RuleError(number, f"{name}.below", f"nothing is at least {low:g} and below {high:g}")


def _reached(number: int, rule: Rule, above: Sequence[Rule]) -> None:
    """Raises RuleError if rules above decide wherever this one would. Exact for rules without conditions on facts;
    of others only those are found that each by itself asks no more of the facts than this one.
    """
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for place, earlier in enumerate(above, start=1):
        if all(
            name in rule.conditions and _within(rule.conditions[name], condition)
            for name, condition in earlier.conditions.items()
        ):
            if earlier.attribute is None:
                raise RuleError(number, "action", f"unreachable: rule {place} decides on every such comment")
            spans[earlier.attribute].append(earlier.span)
    for name, found in spans.items():
        if _covered((0.0, math.inf), found):
            raise RuleError(number, "attribute", f"unreachable: the rules above decide on every {name} score")
    if rule.attribute is not None and _covered(rule.span, spans[rule.attribute]):
        message = f"unreachable: the rules above decide on every such {rule.attribute} score"
        raise RuleError(number, "at_least", message)


def _within(narrow: Condition, wide: Condition) -> bool:
    """Whether whatever meets the first condition meets the second, both on one fact."""
    if isinstance(narrow, Range) and isinstance(wide, Range):
        return wide.span[0] <= narrow.span[0] and narrow.span[1] <= wide.span[1]
    if isinstance(narrow, tuple) and isinstance(wide, tuple):
        return {name.casefold() for name in narrow} <= {name.casefold() for name in wide}
    return narrow == wide


def _covered(span: tuple[float, float], spans: Sequence[tuple[float, float]]) -> bool:
    """Whether every number of a range is in one of the others."""
    reached, end = span
    for low, high in sorted(spans):
        if low <= reached:
            reached = max(reached, high)
    return reached >= end
