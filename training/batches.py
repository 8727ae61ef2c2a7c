"""Length-bucketed batches under a token budget, planned for the whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

POOL = 100  # batches' worth of rows that are sorted by length together: enough to waste little padding


def plan(lengths: Sequence[int], repeats: Sequence[int], budget: int, passes: int, seed: int) -> list[list[int]]:
    """Batches of row numbers for a whole run.

    Each row comes `repeats[row]` times a pass. Rows are shuffled, sorted by length within pools, and
    cut so that rows x longest row stays within `budget` tokens (a single longer row is a batch alone);
    batches are shuffled within their pool. The plan depends on its arguments only, so that an
    interrupted run goes on with the same batches.
    """
    order = np.random.default_rng(seed)
    every = np.repeat(np.arange(len(lengths)), repeats)
    size = np.asarray(lengths)
    batches: list[list[int]] = []
    for _ in range(passes):
        rows = order.permutation(every)
        mean = max(1.0, float(size[rows].mean())) if len(rows) else 1.0
        step = max(1, int(POOL * budget / mean))
        for start in range(0, len(rows), step):
            pool = rows[start : start + step]
            pool = pool[np.argsort(size[pool], kind="stable")]
            cut = list(_cut(pool.tolist(), size.tolist(), budget))
            batches += [cut[i] for i in order.permutation(len(cut))]
    return batches


def _cut(rows: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    batch: list[int] = []
    longest = 0
    for row in rows:
        longest = max(longest, lengths[row])
        if batch and (len(batch) + 1) * longest > budget:
            yield batch
            batch, longest = [], lengths[row]
        batch.append(row)
    if batch:
        yield batch


@dataclass(frozen=True)
class Batches:
    """One process's share of a plan, as a torch batch sampler: every `world`-th batch from `rank` on.

    All processes get equally many; up to `world - 1` batches at the end of the plan are left out.
    """

    batches: Sequence[Sequence[int]]
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        return len(self.batches) // self.world

    def __iter__(self) -> Iterator[Sequence[int]]:
        for number in range(len(self)):
            yield self.batches[number * self.world + self.rank]


@dataclass(frozen=True)
class Encoded:
    """Token ids of each row, with labels [rows, attributes] (NaN = unknown), weights [rows] and groups [rows].

    A group is a number for the row's source: only rows of one source are ranked against each other. `marks` has for
    some row numbers a 1 or 0 for each token, NaN where it is unknown. `targets` [rows, attributes] are teachers'
    probabilities, NaN where there are none.
    """

    ids: Sequence[Sequence[int]]
    labels: Tensor
    weights: Tensor
    groups: Tensor
    marks: Mapping[int, Tensor] = field(default_factory=dict)
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, object]:
        targets = {} if self.targets is None else {"targets": self.targets[row]}
        return targets | {
            "ids": self.ids[row],
            "labels": self.labels[row],
            "weight": self.weights[row],
            "group": self.groups[row],
            "marks": self.marks.get(row, torch.full((len(self.ids[row]),), torch.nan)),
        }


def collate(rows: Sequence[dict[str, object]]) -> dict[str, Tensor]:
    """Pads to the longest row: input_ids, attention_mask and marks [rows, tokens], labels, weights, groups, and
    teachers' targets if there are any.
    """
    ids = [torch.as_tensor(row["ids"], dtype=torch.long) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(i) for i in ids], batch_first=True)
    known = [name for name in ("labels", "targets") if name in rows[0]]
    return {name: torch.stack([torch.as_tensor(row[name]) for row in rows]) for name in known} | {
        "input_ids": padded,
        "attention_mask": mask,
        "weights": torch.stack([torch.as_tensor(row["weight"]) for row in rows]),
        "groups": torch.stack([torch.as_tensor(row["group"]) for row in rows]),
        "marks": torch.nn.utils.rnn.pad_sequence(
            [torch.as_tensor(row["marks"]) for row in rows], batch_first=True, padding_value=torch.nan
        ),
    }
