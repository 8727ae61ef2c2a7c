from __future__ import annotations

import random
import re

import pytest

from labels.identities import COLUMNS, MENTIONS, mentioned, swapped


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


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A Muslim reader and other Muslims", "A(n)? \\w+ reader and other \\w+s"),
        ("BLACK PEOPLE in a black car", "[A-Z]+ PEOPLE in a black car"),
        ("a blind man on a blind date", "an? \\w+ man on a blind date"),
    ],
)
def test_groups_are_exchanged_for_others_of_their_kind(text: str, kept: str) -> None:
    for seed in range(20):
        found = swapped(text, random.Random(seed))
        assert found != text
        assert re.fullmatch(kept, found)
        for article, word in re.findall(r"\b([Aa]n?) (\w)", found):
            assert (article.lower() == "an") == (word.lower() in "aeiou")


def test_a_group_becomes_the_same_one_throughout() -> None:
    found = swapped("Sikhs help Sikhs, and Jews help Jews.", random.Random(3))
    first, second = re.findall(r"(\w+) help (\w+)", found)
    assert first[0] == first[1] != "Sikhs"
    assert second[0] == second[1] != "Jews"


@pytest.mark.parametrize(
    "text", ["A black car and a white wall", "Women and men disagree.", "", "the christianmas tree"]
)
def test_what_names_no_group_stays(text: str) -> None:
    assert swapped(text, random.Random(0)) == text
