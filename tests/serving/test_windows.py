from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.windows import combine, cut


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


def test_the_worst_window_decides_harm_and_the_mean_decides_quality() -> None:
    logits = np.array([[3.0, 1.0], [-2.0, 4.0]], np.float32)
    combined = combine(logits, np.array([10, 30]), np.array([True, False]))
    assert combined.tolist() == [3.0, 3.25]
