from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labels import taxonomy
from serving import policy
from serving.policy import Decision, Rule, RuleError, check, decide

NAMES = ("incivility", "report_worthy", "constructive")


def rule(attribute: str, action: str, at_least: float | None = None, below: float | None = None) -> Rule:
    return Rule.model_validate({"attribute": attribute, "action": action, "at_least": at_least, "below": below})


def test_the_first_rule_that_matches_decides() -> None:
    rules = [
        rule("report_worthy", "hold", 0.8),
        rule("incivility", "flag", 0.5),
        rule("constructive", "feature", 0.9),
        rule("report_worthy", "accept", below=0.1),
    ]
    scores = {"report_worthy": 0.8, "incivility": 0.9, "constructive": 0.95}
    assert decide(scores, rules) == Decision("hold", 1, "report_worthy", 0.8, 0.8)
    scores["report_worthy"] = 0.05
    assert decide(scores, rules) == Decision("flag", 2, "incivility", 0.9, 0.5)
    scores["incivility"] = 0.1
    assert decide(scores, rules) == Decision("feature", 3, "constructive", 0.95, 0.9)
    scores["constructive"] = 0.1
    assert decide(scores, rules) == Decision("accept", 4, "report_worthy", 0.05, 0.1)
    scores["report_worthy"] = 0.1
    assert decide(scores, rules) is None


def test_the_lower_bound_is_in_the_range_and_the_upper_is_not() -> None:
    one = rule("incivility", "flag", 0.25, 0.5)
    assert [one.matches(score) for score in (0.0, 0.249, 0.25, 0.499, 0.5, 1.0)] == [False, False, True, True] + [
        False
    ] * 2
    assert rule("incivility", "flag", 1.0).matches(1.0)
    assert rule("incivility", "flag", below=0.5).matches(0.0)


@pytest.mark.parametrize("scores", [{}, {"constructive": 0.99}, {"incivility": math.nan, "constructive": 0.99}])
def test_a_missing_score_is_no_opinion_even_if_a_later_rule_would_match(scores: dict[str, float]) -> None:
    assert decide(scores, [rule("incivility", "hold", 0.5), rule("constructive", "feature", 0.9)]) is None


def test_a_score_of_zero_is_a_score() -> None:
    assert decide({"incivility": 0.0}, [rule("incivility", "accept", below=0.1)]) == Decision(
        "accept", 1, "incivility", 0.0, 0.1
    )


def test_the_default_removes_nothing_and_stands() -> None:
    check(policy.DEFAULT, taxonomy.load().names)
    assert {rule.action for rule in policy.DEFAULT} == {"hold"}
    assert decide({"report_worthy": 0.49}, policy.DEFAULT) is None
    assert decide({"report_worthy": 0.5}, policy.DEFAULT) == Decision("hold", 1, "report_worthy", 0.5, 0.5)


@pytest.mark.parametrize(
    "broken",
    [
        {"attribute": "incivility", "at_least": 0.5},
        {"attribute": "incivility", "at_least": 0.5, "action": "delete"},
        {"attribute": "incivility", "at_least": 1.5, "action": "hold"},
        {"attribute": "incivility", "at_least": -0.1, "action": "hold"},
        {"attribute": "incivility", "at_least": math.nan, "action": "hold"},
        {"attribute": "incivility", "at_least": "0.5", "action": "hold"},
        {"attribute": "incivility", "at_least": True, "action": "hold"},
        {"attribute": "incivility", "at_least": 0.5, "action": "hold", "reason": " "},
        {"attribute": "incivility", "atleast": 0.5, "action": "hold"},
    ],
)
def test_a_rule_of_a_wrong_form_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(broken)


@pytest.mark.parametrize(
    ("rules", "number", "key", "message"),
    [
        ([rule("wit", "hold", 0.5)], 1, "attribute", "no 'wit'"),
        ([rule("incivility", "hold")], 1, "at_least", "expected at_least"),
        ([rule("incivility", "hold", 0.5, 0.5)], 1, "below", "no score"),
        ([rule("incivility", "hold", 0.6, 0.5)], 1, "below", "no score"),
        ([rule("incivility", "hold", below=0.0)], 1, "below", "no score"),
        ([rule("incivility", "hold", 0.5), rule("incivility", "reject", 0.9)], 2, "at_least", "unreachable"),
        (
            [rule("incivility", "hold", 0.5), rule("incivility", "accept", below=0.5), rule("insult", "flag", 0.9)],
            3,
            "attribute",
            "every incivility score",
        ),
        (
            [
                rule("incivility", "flag", 0.2, 0.5),
                rule("incivility", "hold", 0.5, 0.8),
                rule("incivility", "reject", 0.3, 0.7),
            ],
            3,
            "at_least",
            "unreachable",
        ),
    ],
)
def test_a_rule_that_cannot_stand_is_named(rules: list[Rule], number: int, key: str, message: str) -> None:
    with pytest.raises(RuleError, match=message) as caught:
        check(rules, taxonomy.load().names)
    assert (caught.value.rule, caught.value.key) == (number, key)
    assert str(caught.value).startswith(f"rule {number}: {key}: ")


def test_a_score_of_one_is_not_below_one() -> None:
    check([rule("incivility", "flag", below=1.0), rule("incivility", "hold", 1.0)], NAMES)


bounds = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]))
rules = st.builds(
    rule,
    st.sampled_from(NAMES),
    st.sampled_from(["accept", "hold", "flag", "reject", "feature"]),
    bounds,
    bounds,
)
GRID = [0.0, 0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.75, 0.8, 0.9, 0.95, 1.0]


@given(st.lists(rules, max_size=5))
def test_check_refuses_exactly_the_rules_that_no_score_reaches(made: list[Rule]) -> None:
    # The bounds are all on the grid and the grid has a point between any two, so that it stands for all scores.
    reached = {
        decision.rule
        for a in GRID
        for b in GRID
        for c in GRID
        if (decision := decide(dict(zip(NAMES, (a, b, c), strict=True)), made))
    }
    open_ranges = any(one.at_least is None and one.below is None for one in made)
    try:
        check(made, NAMES)
    except RuleError as error:
        assert open_ranges or error.rule not in reached
    else:
        assert reached == set(range(1, len(made) + 1))
        assert not open_ranges
