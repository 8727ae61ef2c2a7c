"""Rules, facts and policies for tests, and strategies for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from serving.policy import AuthorFacts, Facts, Policy, Rule, StoryFacts
from serving.policy.backtest import ACTIONS

NAMES = ("incivility", "report_worthy", "constructive")
SECTIONS = ("politics", "sport")


def rule(attribute: str | None, action: str, at_least: float | None = None, below: float | None = None) -> Rule:
    return Rule.model_validate({"attribute": attribute, "action": action, "at_least": at_least, "below": below})


def ruled(**keys: Any) -> Rule:
    """A rule as a file would have it."""
    return Rule.model_validate(keys)


# Whole policies take a while to draw on a busy machine, and how long is not what is tested.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = st.sampled_from([0.0, 1.0, 3.0, 10.0, 24.0])
bounds = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]))
actions = st.sampled_from(ACTIONS)
# Of scores alone.
score_rules = st.builds(rule, st.sampled_from(NAMES), actions, bounds, bounds)
ranges = st.fixed_dictionaries({}, optional={"at_least": numbers, "below": numbers})
names = st.lists(st.sampled_from(["politics", "sport", "Subscriber", "staff"]), min_size=1, max_size=2)
# Of anything.
rules = st.builds(
    ruled,
    attribute=st.one_of(st.none(), st.sampled_from(NAMES)),
    action=actions,
    at_least=bounds,
    below=bounds,
    section=st.one_of(st.none(), names),
    author=st.fixed_dictionaries(
        {}, optional={"comments": ranges, "rejected": ranges, "account_days": ranges, "role": names}
    ),
    story=st.fixed_dictionaries({}, optional={"age_hours": ranges, "comments": ranges, "premoderated": st.booleans()}),
    links=st.one_of(st.none(), ranges),
    nudge=st.one_of(st.booleans(), st.just("Please reword.")),
).filter(lambda one: one.attribute is None or one.at_least is not None or one.below is not None)
rule_lists = st.lists(rules, max_size=4).map(tuple)
policies = st.builds(Policy, rule_lists, st.dictionaries(st.sampled_from(SECTIONS), rule_lists))
counts = st.one_of(st.none(), st.sampled_from([0, 1, 2, 5, 30]))
words = st.one_of(st.none(), st.sampled_from(["politics", "Sport", "subscriber", "staff"]))
facts = st.builds(
    Facts,
    section=words,
    author=st.builds(AuthorFacts, counts, counts, counts, words),
    story=st.builds(StoryFacts, counts, counts, st.one_of(st.none(), st.booleans())),
    links=counts,
    first_attempt=st.booleans(),
)
GRID = [0.0, 0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.75, 0.8, 0.9, 0.95, 1.0]
full_scores = st.fixed_dictionaries({name: st.sampled_from(GRID) for name in NAMES})
scores = st.one_of(
    full_scores,
    st.dictionaries(st.sampled_from(NAMES), st.one_of(st.sampled_from(GRID), st.just(float("nan")))),
)
