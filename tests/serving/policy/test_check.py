from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labels import taxonomy
from serving.policy import Facts, Policy, Rule, RuleError, check, decide, first_match
from tests.serving.policy import made
from tests.serving.policy.made import GRID, NAMES, rule, ruled


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
        {"section": [], "action": "hold"},
        {"section": [" "], "action": "hold"},
        {"section": 3, "action": "hold"},
        {"author": {"comments": 3}, "action": "hold"},
        {"author": {"comments": {"below": -1}}, "action": "hold"},
        {"author": {"comments": {"below": "3"}}, "action": "hold"},
        {"author": {"name": "x"}, "action": "hold"},
        {"story": {"premoderated": 1}, "action": "hold"},
        {"links": {"at_least": math.inf}, "action": "hold"},
        {"attribute": "incivility", "at_least": 0.5, "action": "hold", "nudge": 1},
        {"attribute": "incivility", "at_least": 0.5, "action": "hold", "nudge": ""},
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
        ([ruled(at_least=0.5, action="hold")], 1, "attribute", "missing"),
        ([ruled(author={"comments": {}}, action="hold")], 1, "author.comments", "expected at_least"),
        ([ruled(links={"at_least": 3, "below": 3}, action="hold")], 1, "links.below", "nothing is"),
        ([ruled(section="a", action="flag", nudge=True)], 1, "nudge", "only for hold and reject"),
        ([ruled(section="a", action="hold", nudge=True)], 1, "nudge", "change nothing"),
        ([ruled(action="hold"), rule("incivility", "flag", 0.5)], 2, "action", "rule 1 decides"),
        (
            [
                ruled(section=["a", "b"], author={"comments": {"below": 10}}, action="hold"),
                rule("incivility", "flag", 0.5),
                ruled(
                    section="A", author={"comments": {"at_least": 1, "below": 3}}, links={"below": 2}, action="accept"
                ),
            ],
            3,
            "action",
            "rule 1 decides",
        ),
        (
            [
                ruled(attribute="insult", at_least=0.3, story={"premoderated": True}, action="hold"),
                ruled(attribute="insult", at_least=0.5, story={"premoderated": True}, section="a", action="accept"),
            ],
            2,
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


def test_rules_for_other_comments_can_be_reached() -> None:
    check(
        [
            ruled(section="a", action="hold"),
            ruled(author={"comments": {"below": 3}}, action="hold"),
            ruled(author={"comments": {"below": 4}}, action="flag"),
            ruled(story={"premoderated": True}, action="hold"),
            ruled(story={"premoderated": False}, action="flag"),
            ruled(links={"at_least": 1}, action="hold", nudge=True),
            ruled(action="accept"),
        ],
        NAMES,
    )


def test_only_facts_that_the_system_tells_can_be_asked_for() -> None:
    check([ruled(links={"at_least": 1}, action="hold")], NAMES, ["links"])
    with pytest.raises(RuleError, match="known are links") as caught:
        check([ruled(author={"comments": {"below": 1}}, action="hold")], NAMES, ["links"])
    assert caught.value.key == "author.comments"


def test_a_score_of_one_is_not_below_one() -> None:
    check([rule("incivility", "flag", below=1.0), rule("incivility", "hold", 1.0)], NAMES)


@made.patient
@given(st.lists(made.score_rules, max_size=5))
def test_check_refuses_exactly_the_rules_that_no_score_reaches(rules: list[Rule]) -> None:
    # The bounds are all on the grid and the grid has a point between any two, so that it stands for all scores.
    reached = {
        found.rule
        for a in GRID
        for b in GRID
        for c in GRID
        if (found := first_match(rules, dict(zip(NAMES, (a, b, c), strict=True))))
    }
    open_ranges = any(one.at_least is None and one.below is None for one in rules)
    try:
        check(rules, NAMES)
    except RuleError as error:
        assert open_ranges or error.rule not in reached
    else:
        assert reached == set(range(1, len(rules) + 1))
        assert not open_ranges


@made.patient
@given(st.lists(made.rules, max_size=5), made.full_scores, made.facts)
def test_a_rule_that_check_refuses_as_unreachable_never_decides(
    rules: list[Rule], scores: dict[str, float], facts: Facts
) -> None:
    try:
        check(rules, NAMES)
    except RuleError as error:
        if "unreachable" in error.problem:
            decision = decide(Policy(tuple(rules)), scores, facts)
            assert not decision.reasons or decision.reasons[0].rule != error.rule
