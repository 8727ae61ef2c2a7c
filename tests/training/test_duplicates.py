from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.duplicates import Duplicates, fold

TEXT = (
    "The council closed the library in March although nearly every person who spoke at the hearing asked it to wait "
    "for the report that it had itself ordered a year before"
)
WORDS = st.lists(
    st.sampled_from(["the", "mayor", "and", "a", "council", "of", "fools", "closed", "my", "library"]),
    min_size=1,
    max_size=30,
)


def test_fold_ignores_case_punctuation_and_spacing() -> None:
    assert fold("You,  SIR, are a\nfool!!") == fold("you sir are a fool")
    assert fold("You are a fool") != fold("You are no fool")


def test_text_without_words_is_its_own_fold() -> None:
    assert fold("🙃🙃") == "🙃🙃"
    assert fold("?!") != fold("!?")


def test_exact_copy_is_found_among_added_texts_only() -> None:
    found = Duplicates([TEXT, TEXT.upper() + "!", "Another text altogether"], threshold=0.8)
    assert found.of(1) == (None, [])
    found.add(0)
    assert found.of(1) == (0, [0])
    assert found.of(2) == (None, [])


def test_exact_copy_names_the_first_original() -> None:
    found = Duplicates([TEXT] * 3, threshold=0.8)
    found.add(0)
    found.add(1)
    assert found.of(2)[0] == 0


def test_near_copy_is_found_and_a_rewrite_is_not() -> None:
    words = TEXT.split()
    texts = [TEXT, TEXT.replace("March", "May"), TEXT + " again", words[0]]
    texts.append(" ".join(reversed(words)))
    found = Duplicates(texts, threshold=0.8)
    found.add(0)
    assert found.of(1) == (None, [0])
    assert found.of(2) == (None, [0])
    assert found.of(3) == (None, [])
    assert found.of(4) == (None, [])


def test_threshold_decides_what_is_near() -> None:
    other_end = " ".join(TEXT.split()[:-5]) + " we all paid for twice"
    for threshold, expected in ((0.5, [0]), (0.9, [])):
        found = Duplicates([TEXT, other_end], threshold)
        found.add(0)
        assert found.of(1)[1] == expected


@given(WORDS, st.sampled_from([str.upper, str.title, lambda text: text + "...", lambda text: f"“{text}”"]))
def test_copies_in_other_dress_are_always_found(words: list[str], change: object) -> None:
    assert callable(change)
    text = " ".join(words)
    found = Duplicates([text, change(text)], threshold=0.8)
    found.add(0)
    assert found.of(1) == (0, [0])


@given(st.lists(WORDS, min_size=2, max_size=8))
def test_being_near_is_mutual(texts: list[list[str]]) -> None:
    found = Duplicates([" ".join(words) for words in texts], threshold=0.8)
    for index in range(len(texts)):
        found.add(index)
    near = {(index, other) for index in range(len(texts)) for other in found.of(index)[1]}
    assert near == {(other, index) for index, other in near}
