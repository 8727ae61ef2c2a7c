"""The prepared corpus on disk: one Parquet file a split, labels as one nullable column an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from training.record import fingerprint

Span = tuple[int, int]

FIXED = ("key", "source", "text", "natural", "weight", "marks")  # columns of every split; the others are attributes


@dataclass
class Row:
    """A comment ready for training: `labels` maps attribute -> share; what is absent is unknown.

    `votes` says of how many rows' labels a share is the mean, where duplicates were merged; 1 if absent. `weight` is
    a factor on its loss, from the source itself. `marks` are the places [start, end) in the text that annotators marked
    as toxic, None where that is unknown.
    """

    source: str
    row: int
    text: str
    labels: dict[str, float]
    group: str | None
    natural: bool
    weight: float = 1.0
    votes: dict[str, int] = field(default_factory=dict)
    marks: tuple[Span, ...] | None = None

    @property
    def key(self) -> str:
        """Source and row number: stable between runs over the same files."""
        return f"{self.source}:{self.row}"

    @property
    def positive(self) -> bool:
        """Whether any label is one half or more."""
        return any(value >= 0.5 for value in self.labels.values())


@dataclass(frozen=True)
class Corpus:
    """One split, columnar. `labels` is float32 [rows, attributes] with NaN for unknown, `weights` float32 [rows]."""

    keys: list[str]
    sources: list[str]
    texts: list[str]
    natural: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Corpus:
        """The rows of a mask or of an index, in that order."""
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Corpus(
            [self.keys[i] for i in index],
            [self.sources[i] for i in index],
            [self.texts[i] for i in index],
            self.natural[index],
            self.labels[index],
            self.weights[index],
        )

    def join(self, other: Corpus) -> Corpus:
        """These rows, then those of the other (with the same attributes) that are not among them."""
        mine = set(self.keys)
        more = other.select(np.array([key not in mine for key in other.keys], dtype=np.bool_))
        return Corpus(
            self.keys + more.keys,
            self.sources + more.sources,
            self.texts + more.texts,
            np.concatenate([self.natural, more.natural]),
            np.concatenate([self.labels, more.labels]),
            np.concatenate([self.weights, more.weights]),
        )

    def of(self, source: str) -> Corpus:
        """The rows of one source."""
        return self.select(np.array([name == source for name in self.sources], dtype=np.bool_))


def write(directory: Path, split: str, rows: Sequence[Row], attributes: Sequence[str]) -> str:
    """Writes a split and returns its fingerprint: SHA-256 over keys, texts and labels."""
    columns: dict[str, Iterable[object]] = {
        "key": [row.key for row in rows],
        "source": [row.source for row in rows],
        "text": [row.text for row in rows],
        "natural": [row.natural for row in rows],
        "weight": [row.weight for row in rows],
    }
    table = pa.table(
        {name: list(values) for name, values in columns.items()}
        | {"marks": pa.array([row.marks for row in rows], pa.list_(pa.list_(pa.int32())))}
        | {name: pa.array([row.labels.get(name) for row in rows], pa.float32()) for name in attributes}
    )
    pq.write_table(table, directory / f"{split}.parquet", compression="zstd")
    return fingerprint(_written(row).encode() for row in rows)


def read(directory: Path, split: str, attributes: Sequence[str]) -> Corpus:
    """A split as written; an attribute that it has no column for is unknown in every row.

    Raises FileNotFoundError that names the step to run first.
    """
    path = directory / f"{split}.parquet"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m training.prepare` with this recipe first")
    table = pq.read_table(path)
    unknown = np.full(len(table), np.nan, np.float32)
    labels = [
        table[name].to_numpy(zero_copy_only=False).astype(np.float32) if name in table.column_names else unknown
        for name in attributes
    ]
    return Corpus(
        table["key"].to_pylist(),
        table["source"].to_pylist(),
        table["text"].to_pylist(),
        np.array(table["natural"].to_pylist(), dtype=np.bool_),
        np.stack(labels, axis=1) if labels else np.empty((len(table), 0), np.float32),
        (table["weight"].to_numpy() if "weight" in table.column_names else np.ones(len(table))).astype(np.float32),
    )


def marks(directory: Path, split: str) -> dict[str, list[Span]]:
    """The places [start, end) in their texts that annotators marked, by key, of a split's rows that say so."""
    table = pq.read_table(directory / f"{split}.parquet")
    if "marks" not in table.column_names:  # prepared before there were marks
        return {}
    pairs = zip(table["key"].to_pylist(), table["marks"].to_pylist(), strict=True)
    return {key: [(start, end) for start, end in found] for key, found in pairs if found is not None}


def _written(row: Row) -> str:
    weight = "" if row.weight == 1.0 else f"\x1f{row.weight}"
    marked = "" if row.marks is None else f"\x1f{row.marks}"
    return f"{row.key}\x1f{row.text}\x1f{sorted(row.labels.items())}{weight}{marked}"


def attributes(directory: Path) -> tuple[str, ...]:
    """The attributes a network can learn here: those with training labels on both sides of one half.

    They come in the order of the file, not of the taxonomy, which may have changed since: a trained
    network's heads are in that order.
    """
    table = pq.read_table(directory / "train.parquet")
    names = []
    for name in (name for name in table.column_names if name not in FIXED):
        values = table[name].drop_null().to_numpy()
        if (values >= 0.5).any() and (values < 0.5).any():
            names.append(name)
    return tuple(names)


def positives(rows: Iterable[Row]) -> Mapping[str, tuple[int, int]]:
    """Attribute -> (rows labelled, rows labelled one half or more)."""
    counts: dict[str, tuple[int, int]] = {}
    for row in rows:
        for name, value in row.labels.items():
            known, yes = counts.get(name, (0, 0))
            counts[name] = (known + 1, yes + (value >= 0.5))
    return counts
