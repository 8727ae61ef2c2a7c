from __future__ import annotations

from serving.english import COMMON, ENGLISH, FILE
from training.english import HEAD, content, words


def test_the_most_frequent_word_comes_first_and_short_and_other_ones_are_left_out() -> None:
    assert words("though 7\nthe 900\ncafé 5\ncan't 8\nmoron 9\n") == ["moron", "though"]


def test_the_file_is_what_the_dictionary_gives() -> None:
    assert FILE.read_text(encoding="utf-8") == content()


def test_the_file_names_its_licence_and_its_words_are_known() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert set(text.removeprefix(HEAD).split()) <= ENGLISH
    assert COMMON < ENGLISH
    assert "ignorant" in ENGLISH
    assert "that" in COMMON
