"""Every possible answer, as Coral's own schema takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels import taxonomy
from serving.artifact import Artifact
from serving.dialects.coral.answers import answer, code_of
from serving.dialects.coral.schemas import CODES
from serving.policy import Rule, first_match
from serving.sites import Site
from tests import joi
from tests.serving.dialects.coral.calls import ACTIONS, SECRET

NAMES = taxonomy.load().names
probabilities = st.floats(0, 1)
words = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
all_rules = st.lists(
    st.builds(
        lambda attribute, action, low, reason: Rule(
            attribute=attribute, action=action, at_least=low if attribute else None, reason=reason
        ),
        st.one_of(st.none(), st.sampled_from(NAMES)),
        st.sampled_from(ACTIONS),
        probabilities,
        words,
    ),
    max_size=4,
)


@given(
    rules=all_rules,
    scores=st.dictionaries(st.sampled_from(NAMES), st.one_of(probabilities, st.just(float("nan")))),
    approve=st.booleans(),
    author_text=words,
)
def test_coral_takes_whatever_is_answered(
    rules: list[Rule], scores: dict[str, float], approve: bool, author_text: str | None
) -> None:
    site = Site("a", (SECRET,), approve=approve, author_text=author_text, rules=tuple(rules))
    decision = first_match(rules, scores)
    found = answer(decision, site, MANIFEST, scores) if decision else None
    if decision is None or found is None:
        assert decision is None or (decision.action == "accept" and not approve)
        return
    kept = joi.accepted(json.loads(found.wire()))
    expected = {
        "accept": {"status"},
        "hold": {"status", "actions"},
        "flag": {"actions"},
        "reject": {"status", "moderationAction"},
        "feature": {"tags"},
    }
    assert set(kept) == expected[decision.action]
    assert kept.get("status") != "NONE"
    assert (kept.get("status") == "REJECTED") == ("moderationAction" in kept)
    if "moderationAction" in kept:
        assert kept["moderationAction"]["status"] == "REJECTED"
        assert kept["moderationAction"]["rejectionReason"]["code"] == (
            code_of(decision.attribute) if decision.attribute else "OTHER"
        )


MANIFEST = Artifact.load().manifest


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {"tags": []},
        {"tags": ["MEMBER"]},
        {"status": None},
        {"status": ""},
        {"status": "none"},
        {"actions": None},
        {"actions": [{"actionType": "FLAG"}]},
        {"actions": [{"actionType": "FLAG", "reason": "COMMENT_REPORTED_SPAM"}]},
        {"moderationAction": {"status": "REJECTED", "rejectionReason": {"code": "RUDE"}}},
        {"moderationAction": {"rejectionReason": {"code": "OTHER", "detailedExplanation": ""}}},
    ],
)
def test_the_oracle_refuses_what_coral_refuses(bad: Any) -> None:
    with pytest.raises(joi.JoiError):
        joi.accepted(bad)
    assert joi.accepted({"actions": [], "evenhand": None}) == {"actions": []}


def test_every_code_of_the_taxonomy_is_one_of_corals() -> None:
    assert joi.CODES == CODES
    assert {code for attribute in taxonomy.load().attributes for code in attribute.coral} <= set(CODES)
    assert (code_of("identity_attack"), code_of("report_worthy")) == ("HATE_SPEECH", "OTHER")
