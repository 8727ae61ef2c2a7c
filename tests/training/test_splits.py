from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from training.splits import Components, assign, uniform

KEYS = [f"c3:{row}" for row in range(4000)]
ROWS = st.integers(0, 19)


@given(st.lists(st.tuples(ROWS, ROWS), max_size=30))
def test_components_are_what_joins_connect(joins: list[tuple[int, int]]) -> None:
    components = Components(20)
    expected = {row: {row} for row in range(20)}
    for one, other in joins:
        components.join(one, other)
        together = expected[one] | expected[other]
        for row in together:
            expected[row] = together
    assert [components.root(row) for row in range(20)] == [min(expected[row]) for row in range(20)]


@given(st.text(), st.integers(0, 2**32 - 1))
def test_draw_depends_on_key_and_seed_only(key: str, seed: int) -> None:
    assert 0 <= uniform(key, seed) < 1
    assert uniform(key, seed) == uniform(key, seed)


def test_draws_are_spread_evenly_and_change_with_the_seed() -> None:
    tenths = Counter(int(10 * uniform(key, 1)) for key in KEYS)
    assert all(300 < tenths[tenth] < 500 for tenth in range(10))
    assert [uniform(key, 1) for key in KEYS[:9]] != [uniform(key, 2) for key in KEYS[:9]]


def test_fractions_are_kept() -> None:
    sides = Counter(assign(KEYS, [0.1] * len(KEYS), [0.2] * len(KEYS), seed=3))
    assert 300 < sides["dev"] < 500
    assert 650 < sides["test"] < 950
    assert sides.total() == len(KEYS)


def test_without_fractions_everything_is_for_training() -> None:
    assert set(assign(KEYS, [0.0] * len(KEYS), [0.0] * len(KEYS), seed=3)) == {"train"}


def test_further_rows_move_no_row() -> None:
    few = assign(KEYS[:50], [0.1] * 50, [0.2] * 50, seed=3)
    many = assign(KEYS, [0.1] * len(KEYS), [0.2] * len(KEYS), seed=3)
    assert many[:50] == few


def test_equal_keys_share_a_side() -> None:
    sides = assign([key for key in KEYS[:99] for _ in range(2)], [0.3] * 198, [0.3] * 198, seed=3)
    assert sides[::2] == sides[1::2]
    assert set(sides) == {"train", "dev", "test"}
