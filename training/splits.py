"""Splits by group: rows that belong together are never on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

Split = Literal["train", "dev", "test"]


class Components:
    """Union-find over row numbers 0..count-1."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, row: int) -> int:
        """The representative of the row's component."""
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, one: int, other: int) -> None:
        """Puts two rows into one component, represented by its smallest row."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low


def uniform(key: str, seed: int) -> float:
    """A number in 0..1 that depends on key and seed only, not on order or on other rows."""
    digest = hashlib.sha256(f"{seed}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign(keys: Sequence[str], dev: Sequence[float], test: Sequence[float], seed: int) -> list[Split]:
    """A split for each component, by its key: `test` and `dev` are fractions per component."""
    splits: list[Split] = []
    for key, dev_part, test_part in zip(keys, dev, test, strict=True):
        draw = uniform(key, seed)
        splits.append("test" if draw < test_part else "dev" if draw < test_part + dev_part else "train")
    return splits
