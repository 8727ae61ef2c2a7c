from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.batches import Batches, Encoded, collate, plan

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=80)
SEEDS = st.integers(0, 2**32 - 1)


@given(LENGTHS, st.data(), st.integers(1, 3), SEEDS)
def test_every_row_comes_as_often_as_it_should(lengths: list[int], data: st.DataObject, passes: int, seed: int) -> None:
    repeats = data.draw(st.lists(st.integers(1, 4), min_size=len(lengths), max_size=len(lengths)))
    batches = plan(lengths, repeats, 100, passes, seed)
    assert Counter(chain(*batches)) == {row: passes * often for row, often in enumerate(repeats)}


def test_passes_follow_each_other() -> None:
    lengths = [5] * 40
    batches = plan(lengths, [1] * 40, 50, passes=3, seed=0)
    for start in (0, 4, 8):
        assert sorted(chain(*batches[start : start + 4])) == list(range(40))
    assert batches[:4] != batches[4:8]


@given(LENGTHS, st.integers(1, 120), SEEDS)
def test_padded_batch_stays_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    for batch in plan(lengths, [1] * len(lengths), budget, 1, seed):
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget


@given(LENGTHS, SEEDS)
def test_plan_is_a_function_of_its_arguments(lengths: list[int], seed: int) -> None:
    ones = [1] * len(lengths)
    assert plan(lengths, ones, 90, 2, seed) == plan(lengths, ones, 90, 2, seed)


def test_another_seed_is_another_order() -> None:
    lengths = list(range(1, 200))
    one, other = (plan(lengths, [1] * len(lengths), 400, 1, seed) for seed in (1, 2))
    assert one != other


def test_batches_hold_rows_of_like_length() -> None:
    lengths = [1 + (7 * row) % 100 for row in range(2000)]
    batches = plan(lengths, [1] * len(lengths), 1000, 1, seed=0)
    padded = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    # ... but not in order of length: that would teach length along with time.
    first = [max(lengths[row] for row in batch) for batch in batches]
    assert first != sorted(first)


def test_no_rows_no_batches() -> None:
    assert plan([], [], 100, 2, seed=0) == []


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), max_size=30), st.integers(1, 4))
def test_processes_share_the_plan_without_overlap(batches: list[list[int]], world: int) -> None:
    shares = [list(Batches(batches, rank, world)) for rank in range(world)]
    assert {len(share) for share in shares} == {len(batches) // world}
    assert [len(Batches(batches, rank, world)) for rank in range(world)] == [len(share) for share in shares]
    # Step by step they take what one process would take, and at most world - 1 batches are left out.
    taken = list(chain.from_iterable(zip(*shares, strict=True)))
    assert taken == batches[: len(taken)]
    assert len(batches) - len(taken) < world


def test_two_processes_see_different_rows() -> None:
    batches = plan([5] * 40, [1] * 40, 50, passes=1, seed=0)
    one, other = (set(chain(*Batches(batches, rank, 2))) for rank in (0, 1))
    assert one | other == set(range(40))
    assert not one & other


def test_collate_pads_to_the_longest_row() -> None:
    labels, weights = torch.tensor([[0.5], [float("nan")]]), torch.tensor([1.0, 0.5])
    rows = Encoded([[7, 8, 9], [7]], labels, weights, torch.tensor([0, 3]))
    assert len(rows) == 2
    batch = collate([rows[0], rows[1]])
    assert batch["input_ids"].tolist() == [[7, 8, 9], [7, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["weights"].tolist() == [1.0, 0.5]
    assert batch["groups"].tolist() == [0, 3]
    assert batch["labels"][0].item() == 0.5
    assert batch["labels"][1].isnan().item()
    assert "targets" not in batch


def test_collate_passes_a_teacher_s_targets_on() -> None:
    rows = Encoded(
        [[7, 8], [7]], torch.ones(2, 1), torch.ones(2), torch.tensor([0, 0]), targets=torch.tensor([[0.2], [0.3]])
    )
    assert collate([rows[1], rows[0]])["targets"].flatten().tolist() == pytest.approx([0.3, 0.2])
