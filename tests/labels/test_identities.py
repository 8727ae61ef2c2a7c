from __future__ import annotations

import pytest

from labels.identities import COLUMNS, MENTIONS, mentioned


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("The Muslim women of our town", {"muslim", "female"}),
        ("African-American voters, and black people in general", {"black"}),
        ("A black car, a white wall, a manhole and a womanly mango", set()),
        ("MEN!", {"male"}),
        ("Mental health and refugees", {"mental_illness", "immigrant"}),
    ],
)
def test_groups_are_found_by_whole_words(text: str, groups: set[str]) -> None:
    assert mentioned(text) == groups


def test_names_are_those_of_the_columns_where_there_is_one() -> None:
    assert len(set(COLUMNS)) == 24
    assert set(MENTIONS) & set(COLUMNS) >= {"female", "male", "muslim", "jewish", "transgender", "white", "black"}
