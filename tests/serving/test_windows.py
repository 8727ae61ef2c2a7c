from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.windows import DISCOUNT, LEAST, MOST, bounded, combine, cut, sentences


@given(st.integers(0, 400), st.integers(2, 60), st.data())
def test_windows_hold_every_token_in_order_with_the_overlap(count: int, limit: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, limit - 1))
    windows = cut(list(range(count)), limit, overlap)
    assert all(len(window) <= limit for window in windows)
    assert sorted({token for window in windows for token in window}) == list(range(count))
    for before, after in pairwise(windows):
        assert before[-1] - after[0] + 1 >= overlap
        assert len(after) == limit


def test_a_short_text_is_one_window() -> None:
    assert cut([5, 6], 10, 3) == [[5, 6]]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=300), st.integers(LEAST, 100))
def test_sentences_hold_every_token_and_end_where_they_should(tokens: list[int], limit: int) -> None:
    found = sentences(tokens, {0}, limit)
    assert all(len(part) <= min(limit, MOST) for part in found)
    assert sum(map(len, found[:-1])) + len(found[-1]) >= len(tokens)
    assert [token for part in found[:-1] for token in part] == tokens[: sum(map(len, found[:-1]))]
    assert list(found[-1]) == tokens[-len(found[-1]) :]
    assert all(len(part) >= min(LEAST, len(tokens)) for part in found)
    for part in found[:-1]:
        assert part[-1] == 0 or len(part) == min(limit, MOST)


def test_sentences_end_at_full_stops() -> None:
    tokens = [1] * 9 + [0, 0] + [2] * 3 + [0] + [3] * 12
    assert sentences(tokens, {0}, 100) == [tokens[:11], tokens[11:]]


def test_the_worst_window_decides_harm_and_the_mean_decides_quality() -> None:
    logits = np.array([[3.0, 1.0], [-2.0, 4.0]], np.float32)
    combined = combine(logits, np.array([10, 30]), np.array([True, False]), np.array([[4.0, 9.0]], np.float32))
    assert combined.tolist() == [3.0, 3.25]


def test_a_sentence_that_is_much_worse_decides() -> None:
    logits, closer = np.array([[0.0], [-2.0]], np.float32), np.array([[-1.0], [5.0]], np.float32)
    assert combine(logits, np.array([10, 30]), np.array([True]), closer).tolist() == [5.0 - DISCOUNT]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=20), max_size=30), st.integers(0, 200))
def test_what_is_read_is_bounded_and_all_of_it_if_it_fits(pieces: list[list[int]], most: int) -> None:
    kept = bounded(pieces, most)
    different = {tuple(piece) for piece in pieces}
    read = {tuple(pieces[number]) for number in kept}
    assert kept == sorted(kept)
    assert sum(map(len, read)) <= most
    assert [number for number, piece in enumerate(pieces) if tuple(piece) in read] == kept
    if sum(map(len, different)) <= most:
        assert read == different


def test_the_most_varied_are_read() -> None:
    assert bounded([[1] * 4, [1, 2, 3, 4], [1, 2] * 2, [1] * 4], 8) == [1, 2]
    assert bounded([[1] * 4] * 100, 4) == list(range(100))
