"""Reads a source's rows from a local file or from a hub, through the `datasets` library."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from labels.sources.source import RuleError, Source
from labels.sources.source import number as read_number

SUFFIXES = (".parquet", ".jsonl", ".csv")


class SourceError(ValueError):
    """A source cannot be read. The message names the file and, for a bad row, row, column and rule."""


class RowError(SourceError):
    """One malformed row."""

    def __init__(self, file: str, row: int, column: str, rule: str) -> None:
        super().__init__(f"{file}, row {row}, column {column!r}: {rule}")
        self.file, self.row, self.column, self.rule = file, row, column, rule


@dataclass(frozen=True)
class Labelled:
    """One comment with its soft labels: attribute -> share in 0..1. What is not in `labels` is unknown.

    `row` counts from 1; `group` is None where the source has none; `weight` is a factor on its loss, 1 unless given.
    `marks` are the places [start, end) in characters of the text that annotators marked, None where that is unknown.
    """

    source: str
    row: int
    text: str
    labels: Mapping[str, float]
    group: str | None
    natural: bool
    weight: float = 1.0
    marks: tuple[tuple[int, int], ...] | None = None


@dataclass
class Reading:
    """Iterates over a source's rows. With `skip_malformed`, bad rows are counted in `skipped`.

    Iterating raises RowError for a malformed row, and SourceError at the end of a file without any label:
    most likely its columns are named otherwise.
    """

    source: Source
    file: str
    rows: Iterable[tuple[int, Any]]
    skip_malformed: bool = False
    skipped: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Labelled]:
        row, without_label = 0, 0
        for row, cells in self._readable():
            try:
                item = self._labelled(row, cells)
                without_label += not item.labels and item.marks is None
                yield item
            except RuleError as error:
                if not self.skip_malformed:
                    raise RowError(self.file, row, error.column, error.rule) from None
                reason = f"{error.column}: {error.rule}"
                self.skipped[reason] = self.skipped.get(reason, 0) + 1
        if row and without_label == row:
            columns = dict.fromkeys(column for target in self.source.targets for column in target.columns)
            raise SourceError(f"{self.file}: no row has a label; expected one in any of {', '.join(columns)}")

    def _readable(self) -> Iterator[tuple[int, Any]]:
        try:
            yield from self.rows
        except UnicodeDecodeError as error:
            raise SourceError(f"{self.file}: expected UTF-8: {error}") from None
        except pa.ArrowInvalid as error:
            raise SourceError(f"{self.file}: expected a Parquet file: {error}") from None

    def _labelled(self, row: int, cells: Any) -> Labelled:
        source = self.source
        if isinstance(cells, RuleError):
            raise cells
        for column in source.columns:
            if column not in cells:
                raise RuleError(column, f"the column is missing; there are {', '.join(cells) or 'none'}")
        text = cells[source.text]
        if not isinstance(text, str) or not text.strip():
            raise RuleError(source.text, "expected a text that is not empty")
        values = ((target.attribute, target.read(cells)) for target in source.targets)
        return Labelled(
            source=source.name,
            row=row,
            text=_characters(source.text, text),
            labels={name: value for name, value in values if value is not None},
            group=self._group(cells),
            natural=source.natural is None or source.natural(cells),
            weight=self._weight(cells),
            marks=self._marks(cells, text),
        )

    def _group(self, cells: Any) -> str | None:
        column = self.source.group
        found = cells.get(column) if column else None
        return None if column is None or found in (None, "") else _characters(column, str(found))

    def _marks(self, cells: Any, text: str) -> tuple[tuple[int, int], ...] | None:
        marks = self.source.marks
        found = marks.read(cells) if marks else None
        if marks is None or found is None:
            return None
        for start, end in found:
            if not 0 <= start < end <= len(text):
                raise RuleError(marks.columns[0], f"expected places within the text's {len(text)} characters")
        return tuple(found)

    def _weight(self, cells: Any) -> float:
        found = read_number(cells, self.source.weight, 0.0, 100.0) if self.source.weight else None
        return 1.0 if found is None else found


def _characters(column: str, text: str) -> str:
    """The text. Raises RuleError for half of a surrogate pair, which JSON can escape and no UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RuleError(column, "holds half of a surrogate pair, not a character") from None
    return text


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    # "-sig": with a byte order mark or without.
    lines = datasets.load_dataset("text", data_files=str(path), encoding="utf-8-sig", split="train", streaming=True)
    for number, line in enumerate(lines, start=1):
        if not line["text"].strip():
            continue
        try:
            cells = json.loads(line["text"])
        except json.JSONDecodeError as error:
            yield number, RuleError("(line)", f"expected one JSON object a line: {error.msg}")
            continue
        except (ValueError, RecursionError):  # Python's own limits on digits and on nesting
            yield number, RuleError("(line)", "expected one JSON object a line: too long a number, or too deep")
            continue
        if isinstance(cells, dict):
            yield number, cells
        else:
            yield number, RuleError("(line)", "expected one JSON object a line")


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    # The `datasets` CSV builder guesses types and names no row; the csv module does neither.
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, strict=True)
        for number in count(1):
            try:
                cells = next(table)
            except StopIteration:
                return
            except csv.Error as error:  # the reader goes on with the next line
                yield number, RuleError("(row)", f"malformed CSV: {error}")
                continue
            if None in cells or None in cells.values():
                yield number, RuleError("(row)", f"expected {len(table.fieldnames or [])} cells")
            else:
                yield number, cells


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    if pq.read_metadata(path).num_rows == 0:  # which `datasets` refuses with an error of its own
        return
    rows = datasets.load_dataset("parquet", data_files=str(path), split="train", streaming=True)
    yield from enumerate(rows, start=1)


READERS = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv}


def locate(source: Source, directory: Path) -> Path:
    """The source's file in `directory`: its name with one of SUFFIXES. Raises SourceError if absent."""
    for suffix in SUFFIXES:
        if (path := directory / f"{source.name}{suffix}").is_file():
            return path
    raise SourceError(f"{source.name}: no {source.name}{{{','.join(SUFFIXES)}}} in {directory}")


def read_file(source: Source, path: Path, *, skip_malformed: bool = False) -> Reading:
    """Rows of a local file. Raises SourceError for an unknown suffix; iterating raises RowError."""
    if path.suffix not in READERS:
        raise SourceError(f"{path.name}: expected one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise SourceError(f"{source.name}: there is no file {path}")
    return Reading(source, path.name, READERS[path.suffix](path), skip_malformed)


def read_hub(source: Source, *, skip_malformed: bool = False) -> Reading:
    """Rows of the source's original, by its hub name. Raises SourceError if it is on no hub."""
    if source.hub is None:
        raise SourceError(f"{source.name}: the original is on no hub; give a local directory")
    hub = source.hub
    as_published = Source(
        name=source.name,
        title=source.title,
        citation=source.citation,
        licence=source.licence,
        targets=hub.targets,
        unknown=source.unknown,
        evaluation_only=source.evaluation_only,
        text=hub.text,
    )
    rows = datasets.load_dataset(hub.name, split=hub.split, streaming=True)
    return Reading(as_published, hub.name, enumerate(rows, start=1), skip_malformed)
