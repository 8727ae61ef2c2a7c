from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.console.likeness import ALIKE, alike

TEXTS = st.lists(st.text(alphabet="abcd é1", max_size=30), max_size=8)


def test_copies_come_first_then_what_shares_rare_words() -> None:
    others = {
        1: "The council has closed the road again, and nobody told us.",
        2: "CHEAP watches: ask for Bogdan at the corner!",
        3: "Ask for Bogdan at the corner, he has cheap watches and cheap shoes.",
        4: "cheap watches, ask for bogdan at the corner",
        5: "",
    }
    found = alike("Cheap watches! Ask for Bogdan at the corner.", others)
    assert [one.key for one in found] == [2, 4, 3]
    assert [one.why for one in found[:2]] == ["the same words"] * 2
    assert found[2].why == "much the same words: “watches”, “bogdan”, “corner”"


@pytest.mark.parametrize("text", ["", "a b c", "!?"])
def test_where_there_are_no_words_nothing_is_alike(text: str) -> None:
    assert alike(text, {1: text, 2: "words"}) == []


@given(st.text(alphabet="abcd é1", max_size=30), TEXTS)
def test_likeness_is_a_share_and_a_copy_is_whole(text: str, others: list[str]) -> None:
    found = alike(text, dict(enumerate([*others, text])))
    assert all(ALIKE <= one.likeness <= 1 for one in found)
    if any(len(word) > 2 for word in text.split()):
        assert found[0].likeness == pytest.approx(1)
        assert len(others) in {one.key for one in found}
