from __future__ import annotations

import json
import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import policy
from serving.policy import (
    AuthorFacts,
    Decision,
    Facts,
    Policy,
    Reason,
    Rule,
    StoryFacts,
    count_links,
    decide,
    first_match,
)
from serving.policy.facts import FactError
from serving.policy.rules import NUDGE
from tests.serving.policy import made
from tests.serving.policy.made import GRID, NAMES, rule, ruled

ACCEPT, HOLD, FLAG, REJECT, FEATURE = "accept", "hold", "flag", "reject", "feature"


def site(*rules: Rule, **sections: tuple[Rule, ...]) -> Policy:
    return Policy(rules, sections)


# ------------------------------------------------------------------------------------- lists of rules, first match


def test_the_first_rule_that_matches_decides() -> None:
    rules = [
        rule("report_worthy", "hold", 0.8),
        rule("incivility", "flag", 0.5),
        rule("constructive", "feature", 0.9),
        rule("report_worthy", "accept", below=0.1),
    ]
    scores = {"report_worthy": 0.8, "incivility": 0.9, "constructive": 0.95}
    assert first_match(rules, scores) == Reason(1, "hold", "report_worthy", 0.8, 0.8)
    scores["report_worthy"] = 0.05
    assert first_match(rules, scores) == Reason(2, "flag", "incivility", 0.9, 0.5)
    scores["incivility"] = 0.1
    assert first_match(rules, scores) == Reason(3, "feature", "constructive", 0.95, 0.9)
    scores["constructive"] = 0.1
    assert first_match(rules, scores) == Reason(4, "accept", "report_worthy", 0.05, 0.1)
    scores["report_worthy"] = 0.1
    assert first_match(rules, scores) is None


def test_the_lower_bound_is_in_the_range_and_the_upper_is_not() -> None:
    one = rule("incivility", "flag", 0.25, 0.5)
    assert [score for score in (0.0, 0.249, 0.25, 0.499, 0.5, 1.0) if one.matches(score)] == [0.25, 0.499]
    assert rule("incivility", "flag", 1.0).matches(1.0)
    assert rule("incivility", "flag", below=0.5).matches(0.0)


@pytest.mark.parametrize("scores", [{}, {"constructive": 0.99}, {"incivility": math.nan, "constructive": 0.99}])
def test_a_missing_score_is_no_opinion_even_if_a_later_rule_would_match(scores: dict[str, float]) -> None:
    assert first_match([rule("incivility", "hold", 0.5), rule("constructive", "feature", 0.9)], scores) is None


def test_a_score_of_zero_is_a_score() -> None:
    found = first_match([rule("incivility", "accept", below=0.1)], {"incivility": 0.0})
    assert found == Reason(1, "accept", "incivility", 0.0, 0.1)


# ------------------------------------------------------------------------------------------------------- policies


def test_the_default_removes_nothing_by_itself() -> None:
    every = [decide(policy.DEFAULT, {"report_worthy": score / 100}).action for score in range(101)]
    assert set(every) == {"accept", "flag", "hold"}
    assert every == sorted(every, key=["accept", "flag", "hold"].index)
    assert {rule.action for rule in policy.DEFAULT_RULES} == {"hold"}


def test_where_no_rule_matches_the_comment_is_accepted() -> None:
    assert decide(site(), {}) == Decision("accept", "no_rule")
    assert decide(site(rule("incivility", "hold", 0.5)), {"incivility": 0.4}) == Decision("accept", "no_rule")


def test_a_missing_score_is_for_a_person() -> None:
    rules = site(rule("incivility", "accept", below=0.5), rule("constructive", "feature", 0.9))
    for scores in ({}, {"constructive": 0.99}, {"incivility": math.nan, "constructive": 0.99}):
        decision = decide(rules, scores)
        assert (decision.action, decision.why) == ("hold", "missing_score")
        assert (decision.reasons[0].rule, decision.reasons[0].score) == (1, None)
    assert decide(rules, {"incivility": 0.1}).action == "accept"  # nothing below could oppose it


def test_a_missing_score_below_matters_if_its_rule_would_oppose() -> None:
    trusted = ruled(author={"role": "staff"}, action="accept")
    facts = Facts(author=AuthorFacts(role="Staff"))
    assert decide(site(trusted, rule("threat", "hold", 0.9)), {}, facts).why == "rule"
    decision = decide(site(trusted, rule("threat", "reject", 0.9)), {}, facts)
    assert (decision.action, decision.why) == ("hold", "missing_score")
    assert [reason.rule for reason in decision.reasons] == [1, 2]


def test_a_rule_whose_facts_do_not_match_needs_no_score() -> None:
    rules = site(ruled(attribute="threat", at_least=0.5, section="sport", action="hold"))
    assert decide(rules, {}, Facts(section="politics")).action == "accept"
    assert decide(rules, {}, Facts(section="sport")).action == "hold"


@pytest.mark.parametrize(
    ("first", "second", "action"),
    [
        (REJECT, ACCEPT, HOLD),
        (REJECT, FEATURE, HOLD),
        (ACCEPT, REJECT, HOLD),
        (FEATURE, REJECT, HOLD),
        (FEATURE, HOLD, HOLD),
        (ACCEPT, HOLD, ACCEPT),  # how an exception is written
        (REJECT, HOLD, REJECT),
        (REJECT, FLAG, REJECT),
        (FLAG, REJECT, FLAG),
        (HOLD, ACCEPT, HOLD),
        (HOLD, REJECT, HOLD),
        (FEATURE, ACCEPT, FEATURE),
        (FEATURE, FLAG, FEATURE),
    ],
)
def test_rules_that_disagree_leave_it_to_a_person(first: str, second: str, action: str) -> None:
    decision = decide(
        site(rule("threat", first, 0.5), rule("insult", second, 0.5)), {"threat": 0.9, "insult": 0.9}, Facts()
    )
    assert decision.action == action
    if action not in (first, second) or first == FEATURE == second or (first, second) == (FEATURE, HOLD):
        assert decision.why == "disagreement"
        assert [reason.action for reason in decision.reasons] == [first, second]
    else:
        assert decision.why == "rule"
        assert [reason.rule for reason in decision.reasons] == [1]
    only_first = decide(site(rule("threat", first, 0.5), rule("insult", second, 0.5)), {"threat": 0.9, "insult": 0.1})
    assert (only_first.action, only_first.why) == (first, "rule")


def test_a_section_goes_before_its_site() -> None:
    rules = site(
        rule("incivility", "reject", 0.5),
        politics=(rule("incivility", "accept", 0.5, 0.7), rule("incivility", "hold", 0.7, 0.9)),
    )
    assert decide(rules, {"incivility": 0.6}, Facts(section="sport")).action == "reject"
    assert decide(rules, {"incivility": 0.6}, Facts(section=None)).action == "reject"
    for name in ("politics", "Politics"):
        # No disagreement: what the section's rules decide, the site's are not asked.
        decision = decide(rules, {"incivility": 0.6}, Facts(section=name))
        assert (decision.action, decision.why, decision.reasons[0].section) == ("accept", "rule", "politics")
    assert decide(rules, {"incivility": 0.8}, Facts(section="politics")).reasons[0].rule == 2
    fallen = decide(rules, {"incivility": 0.95}, Facts(section="politics"))
    assert (fallen.action, fallen.reasons[0].section, fallen.reasons[0].rule) == ("reject", None, 1)


@pytest.mark.parametrize(
    ("conditions", "facts", "met"),
    [
        ({"section": "politics"}, Facts(section="Politics"), True),
        ({"section": ["sport", "politics"]}, Facts(section="politics"), True),
        ({"section": "politics"}, Facts(section="sport"), False),
        ({"section": "politics"}, Facts(), False),
        ({"author": {"comments": {"below": 3}}}, Facts(author=AuthorFacts(comments=0)), True),
        ({"author": {"comments": {"below": 3}}}, Facts(author=AuthorFacts(comments=3)), False),
        ({"author": {"comments": {"below": 3}}}, Facts(), False),
        ({"author": {"rejected": {"at_least": 2, "below": 5}}}, Facts(author=AuthorFacts(rejected=2)), True),
        ({"author": {"account_days": {"below": 1}}}, Facts(author=AuthorFacts(account_days=0.5)), True),
        ({"author": {"role": ["Subscriber"]}}, Facts(author=AuthorFacts(role="SUBSCRIBER")), True),
        ({"author": {"role": "staff"}}, Facts(author=AuthorFacts(role="guest")), False),
        ({"story": {"age_hours": {"at_least": 72}}}, Facts(story=StoryFacts(age_hours=72.5)), True),
        ({"story": {"comments": {"at_least": 500}}}, Facts(story=StoryFacts(comments=499)), False),
        ({"story": {"premoderated": True}}, Facts(story=StoryFacts(premoderated=True)), True),
        ({"story": {"premoderated": True}}, Facts(story=StoryFacts(premoderated=False)), False),
        ({"story": {"premoderated": False}}, Facts(story=StoryFacts(premoderated=False)), True),
        ({"story": {"premoderated": False}}, Facts(), False),
        ({"links": {"at_least": 2}}, Facts(links=2), True),
        ({"links": {"at_least": 2}}, Facts(links=1), False),
        ({"links": {"at_least": 1}, "author": {"comments": {"below": 3}}}, Facts(links=1), False),
        ({}, Facts(), True),
    ],
)
def test_conditions_on_facts(conditions: dict[str, object], facts: Facts, met: bool) -> None:
    decision = decide(site(ruled(action="hold", **conditions)), {}, facts)
    assert decision.action == ("hold" if met else "accept")
    if met:
        assert set(decision.reasons[0].facts) <= set(facts.known)


def test_a_nudge_is_offered_once_and_only_by_the_rule_that_decides() -> None:
    rules = site(
        ruled(attribute="report_worthy", at_least=0.5, action="hold", nudge=True),
        ruled(attribute="insult", at_least=0.5, action="hold", nudge="Leave out the name, please."),
    )
    first, again = Facts(first_attempt=True), Facts()
    assert decide(rules, {"report_worthy": 0.6, "insult": 0.6}, first).nudge == NUDGE
    assert decide(rules, {"report_worthy": 0.1, "insult": 0.6}, first).nudge == "Leave out the name, please."
    assert decide(rules, {"report_worthy": 0.6, "insult": 0.6}, again) == Decision(
        "hold", "rule", (Reason(1, "hold", "report_worthy", 0.6, 0.5),)
    )
    assert decide(rules, {"report_worthy": 0.1, "insult": 0.1}, first).nudge is None
    assert decide(rules, {}, first).nudge is None


def test_the_record_of_a_decision_says_everything_and_is_json() -> None:
    one = ruled(attribute="threat", at_least=0.5, links={"at_least": 1}, action="hold", reason="Threats wait.")
    facts = Facts(section="sport", links=2, author=AuthorFacts(comments=4))
    decision = decide(site(one), {"threat": 0.75}, facts)
    assert decision.words == "Threats wait."
    assert json.loads(json.dumps(decision.record(facts))) == {
        "action": "hold",
        "why": "rule",
        "reasons": [
            {
                "rule": 1,
                "action": "hold",
                "attribute": "threat",
                "score": 0.75,
                "threshold": 0.5,
                "facts": {"links": 2},
                "reason": "Threats wait.",
            }
        ],
        "automated_detection": True,
        "automated_decision": False,
        "facts": {"section": "sport", "author.comments": 4, "links": 2},
    }


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("no link", 0),
        ("see https://a.example/b and http://c.example", 2),
        ("http://www.a.example/?u=1", 1),
        ("WWW.A.EXAMPLE, www.b.example", 2),
        ("awww. www. https:// nothing", 0),
    ],
)
def test_links_are_counted(text: str, count: int) -> None:
    assert count_links(text) == count


@pytest.mark.parametrize(
    ("known", "rule_"),
    [
        ({"author.comments": -1}, "0 or more"),
        ({"author.comments": 1.5}, "whole number"),
        ({"author.comments": "3"}, "0 or more"),
        ({"author.comments": True}, "0 or more"),
        ({"story.age_hours": math.nan}, "0 or more"),
        ({"story.premoderated": "yes"}, "true or false"),
        ({"section": 3}, "expected words"),
    ],
)
def test_a_fact_of_a_wrong_kind_is_named(known: dict[str, object], rule_: str) -> None:
    with pytest.raises(FactError, match=rule_) as caught:
        Facts.of(known)
    assert caught.value.name in known


# ------------------------------------------------------------------------------------------- whatever the policy


@made.patient
@given(made.facts)
def test_facts_survive_their_record(facts: Facts) -> None:
    known = json.loads(json.dumps(facts.known))
    assert Facts.of(known) == Facts(facts.section, facts.author, facts.story, facts.links)


@made.patient
@given(made.policies, made.scores, made.facts)
def test_a_decision_is_always_explained(rules: Policy, scores: dict[str, float], facts: Facts) -> None:
    decision = decide(rules, scores, facts)
    json.dumps(decision.record(facts), allow_nan=False)
    lists = dict(rules.lists(facts.section))
    for reason in decision.reasons:
        assert Reason.of(json.loads(json.dumps(reason.record()))) == reason
        one = lists[reason.section][reason.rule - 1]
        assert (one.action, one.attribute) == (reason.action, reason.attribute)
        assert one.applies(facts.known)
        assert reason.missing or reason.score is None or one.matches(reason.score)
    if decision.why == "rule":
        assert decision.action == decision.reasons[0].action
    elif decision.why == "no_rule":
        assert (decision.action, decision.reasons) == ("accept", ())
    else:
        assert decision.action == "hold"
        assert any(reason.missing for reason in decision.reasons) == (decision.why == "missing_score")
    assert decision.nudge is None or facts.first_attempt


@made.patient
@given(made.policies, made.scores, made.facts)
def test_a_missing_score_never_hides_what_would_have_been_decided(
    rules: Policy, scores: dict[str, float], facts: Facts
) -> None:
    decision = decide(rules, scores, facts)
    if decision.why == "missing_score":
        return
    missing = [name for name in NAMES if math.isnan(scores.get(name, math.nan))]
    for filled in product(GRID[::3], repeat=len(missing)):
        assert decide(rules, scores | dict(zip(missing, filled, strict=True)), facts) == decision


@made.patient
@given(made.policies, made.full_scores, made.facts)
def test_rejection_needs_a_rule_that_rejects_and_none_that_praises(
    rules: Policy, scores: dict[str, float], facts: Facts
) -> None:
    decision = decide(rules, scores, facts)
    if decision.action != "reject":
        return
    (reason,) = decision.reasons
    matching = [
        one.action
        for one in dict(rules.lists(facts.section))[reason.section]
        if one.applies(facts.known) and (one.attribute is None or one.matches(scores[one.attribute]))
    ]
    assert matching[0] == "reject"
    assert not {"accept", "feature"} & set(matching)


@made.patient
@given(made.rule_lists, made.scores, made.facts)
def test_of_one_list_both_ways_to_decide_agree(rules: tuple[Rule, ...], scores: dict[str, float], facts: Facts) -> None:
    decision, reason = decide(Policy(rules), scores, facts), first_match(rules, scores, facts)
    if decision.why == "rule":
        assert decision.reasons == (reason,)
    elif decision.why == "disagreement":
        assert decision.reasons[0] == reason
    elif decision.why == "no_rule":
        assert reason is None


@made.patient
@given(made.policies, made.full_scores, made.facts, st.sampled_from(["Politics", "POLITICS"]))
def test_case_of_a_section_does_not_matter(rules: Policy, scores: dict[str, float], facts: Facts, section: str) -> None:
    def of(name: str) -> Decision:
        return decide(rules, scores, Facts(name, facts.author, facts.story, facts.links))

    upper, lower = of(section), of("politics")
    assert (upper.action, upper.why) == (lower.action, lower.why)
