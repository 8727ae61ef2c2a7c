from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.text import normalise, visible


def test_invisible_characters_do_not_break_up_words() -> None:
    assert normalise("cl\u200bo\u00adwn\ufeff") == "clown"


def test_line_breaks_and_wide_forms_become_plain() -> None:
    assert normalise("  Ｗｈａｔ\r\n\ta\u00a0day ") == "What a day"


def test_case_and_punctuation_stay() -> None:
    assert normalise("RESIGN, now!!") == "RESIGN, now!!"


@given(st.text())
def test_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()


@given(st.text())
def test_visible_is_what_normal_form_leaves(text: str) -> None:
    assert visible(text) == bool(normalise(text))
