from __future__ import annotations

import json

import pytest
from hypothesis import given

from serving.policy import AuthorFacts, Facts, Policy, Rule, decide, parse
from serving.policy.words import describe, explain, explain_record
from tests.serving.policy import made
from tests.serving.policy.made import rule, ruled


def test_a_policy_in_words() -> None:
    source = """
    [[rules]]
    attribute = "insult"
    at_least = 0.5
    below = 0.9
    section = ["politics", "sport"]
    author.comments.below = 3
    story.premoderated = false
    action = "hold"
    nudge = true
    [[rules]]
    action = "accept"
    [[sections.letters.rules]]
    author.role = "guest"
    links.at_least = 1
    action = "flag"
    """
    assert describe(parse(source)) == [
        "In the section letters, first:",
        "  1. author's role guest, links in the text at least 1: flag",
        "Then, and in every other section:",
        "  1. insult at least 0.5 and below 0.9, section politics or sport, comments by the author so far below 3, "
        "not a premoderated story: hold; the author is first asked to reword",
        "  2. every comment: accept",
        "Where no rule matches, the comment is accepted.",
    ]


@pytest.mark.parametrize(
    ("rules", "scores", "said"),
    [
        ((), {}, ["No rule matched."]),
        ((rule("insult", "hold", 0.5),), {"insult": 0.625}, ["Rule 1 (hold): insult 0.62, at least 0.5."]),
        ((rule("insult", "accept", None, 0.5),), {"insult": 0.25}, ["Rule 1 (accept): insult 0.25, below 0.5."]),
        (
            (rule("insult", "hold", 0.5),),
            {},
            ["Rule 1 (hold): insult is missing.", "That is not known, so a person decides."],
        ),
        (
            (rule("insult", "reject", 0.5), ruled(author={"comments": {"at_least": 5}}, action="accept")),
            {"insult": 0.75},
            [
                "Rule 1 (reject): insult 0.75, at least 0.5.",
                "Rule 2 (accept): comments by the author so far 7.",
                "They disagree, so a person decides.",
            ],
        ),
        ((ruled(action="hold"),), {}, ["Rule 1 (hold): every comment."]),
    ],
)
def test_a_decision_in_words(rules: tuple[Rule, ...], scores: dict[str, float], said: list[str]) -> None:
    assert explain(decide(Policy(rules), scores, Facts(author=AuthorFacts(comments=7)))) == said


def test_a_stored_decision_in_words() -> None:
    decision = decide(Policy((rule("insult", "hold", 0.5),)), {"insult": 0.75})
    stored = json.loads(json.dumps(decision.record(Facts()) | {"version": 3}))
    assert explain_record(stored) == explain(decision)
    assert explain_record(stored | {"why": "removed_before"})[-1].startswith("A moderator removed the wording before")
    assert explain_record({"action": "accept", "why": "no_rule"}) == ["No rule matched."]


@made.patient
@given(made.policies, made.scores, made.facts)
def test_every_rule_and_decision_has_words(rules: Policy, scores: dict[str, float], facts: Facts) -> None:
    assert len(describe(rules)) >= 1 + len(rules.rules) + sum(map(len, rules.sections.values()))
    assert all(line.endswith(".") for line in explain(decide(rules, scores, facts)))
