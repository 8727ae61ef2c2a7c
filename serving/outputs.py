"""Writes scored comments to JSONL, CSV or Parquet, row by row; the file appears only when it is complete.

Each row holds the comment's own columns and ``scores``: in JSONL an object, in CSV the same as a JSON string,
in Parquet a struct of float32. ``scores`` is null (CSV: empty) for a comment that could not be scored.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from serving.target import OutputError, replaced, resolved

__all__ = ["SCORES", "OutputError", "Writer", "open_writer"]

SCORES: Final = "scores"
# The columns of CSV and Parquet are settled by the first rows, which are held back until then; Parquet goes
# on writing row groups of this size.
_HELD_ROWS: Final = 4096

Scored = tuple[Mapping[str, Any], Mapping[str, float] | None]


class Writer(ABC):
    """A context manager that writes rows beside the target and moves them there when all went well.

    An exception inside the ``with`` block, an interrupt included, leaves the target as it was.
    """

    def __init__(self, path: Path, attributes: Sequence[str], columns: Sequence[str], schema: Any) -> None:
        self.path = path
        self.attributes = tuple(attributes)
        self.rows = 0
        self._columns = list(columns)
        self._schema = schema
        self._open = ExitStack()
        self._file: IO[bytes] | None = None

    def write(self, columns: Mapping[str, Any], scores: Mapping[str, float] | None) -> None:
        """Add one comment: its own columns, and its scores or None.

        Raises:
            OutputError: the comment has a column named ``scores`` already, or does not fit the columns
                that the first rows settled.

        """
        self.rows += 1
        if SCORES in columns:
            rule = "the input has this column already; rename or remove it there first"
            raise OutputError(self.path, rule, row=self.rows, column=SCORES)
        kept = None if scores is None else {name: float(scores[name]) for name in self.attributes}
        self._write(columns, kept)

    def __enter__(self) -> Self:
        self._file = self._open.enter_context(replaced(self.path))
        self._open.callback(self._release)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._open:
                self._finish()
        else:
            self._open.__exit__(kind, error, trace)

    @property
    def _out(self) -> IO[bytes]:
        if self._file is None:
            raise RuntimeError("write inside `with open_writer(...) as writer:`")
        return self._file

    @abstractmethod
    def _write(self, columns: Mapping[str, Any], scores: Mapping[str, float] | None) -> None:
        """Write one row, or hold it back."""

    def _finish(self) -> None:  # noqa: B027 - a writer that holds nothing back has nothing to do
        """Write what is held back."""

    def _release(self) -> None:  # noqa: B027 - likewise
        """Let go of the file, whether or not all went well."""


class _JsonlWriter(Writer):
    def _write(self, columns: Mapping[str, Any], scores: Mapping[str, float] | None) -> None:
        self._out.write(_to_json({**columns, SCORES: scores}).encode() + b"\n")


class _TableWriter(Writer):
    """Holds the first rows back to learn the columns, then writes groups of rows."""

    def __init__(self, path: Path, attributes: Sequence[str], columns: Sequence[str], schema: Any) -> None:
        super().__init__(path, attributes, columns, schema)
        self._held: list[Scored] = []
        self._known: frozenset[str] | None = None

    def _write(self, columns: Mapping[str, Any], scores: Mapping[str, float] | None) -> None:
        if self._known is not None and not columns.keys() <= self._known:
            late = next(name for name in columns if name not in self._known)
            rule = f"appears first after {_HELD_ROWS} rows, too late for a table; write .jsonl instead"
            raise OutputError(self.path, rule, row=self.rows, column=late)
        self._held.append((columns, scores))
        if len(self._held) >= _HELD_ROWS:
            self._flush()

    def _finish(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._known is None:
            # A dictionary keeps the order in which the names were seen.
            names = dict.fromkeys([*self._columns, *(name for columns, _ in self._held for name in columns)])
            if SCORES in names:
                rule = "the input has this column already; rename or remove it there first"
                raise OutputError(self.path, rule, column=SCORES)
            self._columns = list(names) or ["text"]
            self._known = frozenset(self._columns)
            self._start(self._held)
        self._write_group(self._held, self.rows - len(self._held) + 1)
        self._held = []

    @abstractmethod
    def _start(self, rows: Sequence[Scored]) -> None:
        """Open the table, its columns now settled."""

    @abstractmethod
    def _write_group(self, rows: Sequence[Scored], first: int) -> None:
        """Write rows; `first` is the number of the first of them, from 1."""


class _CsvWriter(_TableWriter):
    def _start(self, rows: Sequence[Scored]) -> None:
        self._write_cells([[*self._columns, SCORES]])

    def _write_group(self, rows: Sequence[Scored], first: int) -> None:
        self._write_cells(
            [*(_to_cell(columns.get(name)) for name in self._columns), _to_cell(scores)] for columns, scores in rows
        )

    def _write_cells(self, cells: Any) -> None:
        buffer = io.StringIO(newline="")
        # CRLF as in RFC 4180; with another line end the csv module leaves carriage returns in cells unquoted.
        csv.writer(buffer, lineterminator="\r\n").writerows(cells)
        self._out.write(buffer.getvalue().encode())


class _ParquetWriter(_TableWriter):
    _parquet: Any = None
    _types: Any = None

    def _start(self, rows: Sequence[Scored]) -> None:
        given = {field.name: field for field in self._schema} if self._schema is not None else {}
        fields = [given.get(name) or pa.field(name, self._infer(name, rows)) for name in self._columns]
        scores = pa.struct([(name, pa.float32()) for name in self.attributes])
        self._types = pa.schema([*fields, pa.field(SCORES, scores)])
        self._parquet = pq.ParquetWriter(self._out, self._types, compression="zstd")

    def _infer(self, name: str, rows: Sequence[Scored]) -> Any:
        try:
            kind = pa.array([columns.get(name) for columns, _ in rows]).type
        except (pa.ArrowException, OverflowError) as error:
            rule = f"does not hold values of one type ({_first_line(error)}); write .jsonl instead"
            raise OutputError(self.path, rule, column=name) from None
        return pa.string() if pa.types.is_null(kind) else kind  # a column with no value so far

    def _write_group(self, rows: Sequence[Scored], first: int) -> None:
        arrays = []
        for field in self._types:
            scores = field.name == SCORES
            values = [row[1] if scores else row[0].get(field.name) for row in rows]
            try:
                arrays.append(pa.array(values, type=field.type))
            except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
                last = first + len(rows) - 1
                what = f"in rows {first} to {last} a value is not {field.type}: {_first_line(error)}"
                raise OutputError(self.path, f"{what}; write .jsonl instead", column=field.name) from None
        if rows:
            self._parquet.write_table(pa.Table.from_arrays(arrays, schema=self._types))

    def _finish(self) -> None:
        super()._finish()
        self._parquet.close()

    def _release(self) -> None:
        # Left open, it would write its footer when collected, into a file closed by then.
        if self._parquet is not None:
            with suppress(OSError, pa.ArrowException):
                self._parquet.close()


_WRITERS: Final[dict[str, type[Writer]]] = {
    ".jsonl": _JsonlWriter,
    ".ndjson": _JsonlWriter,
    ".csv": _CsvWriter,
    ".parquet": _ParquetWriter,
}


def open_writer(
    path: str | Path, attributes: Sequence[str], *, columns: Sequence[str] = (), schema: Any = None
) -> Writer:
    """Return the writer for a path, by its extension; enter it as a context manager.

    Args:
        path: where the file shall be; an existing file is replaced when the new one is complete.
        attributes: the scores to write, in this order.
        columns: columns known beforehand, so that a file without rows has them too.
        schema: a ``pyarrow.Schema`` with the types of the input's columns; used for Parquet.

    Raises:
        OutputError: unknown extension, no such directory, or a path that is no ordinary file.

    """
    path = Path(path)
    extension = path.suffix.lower()
    if extension not in _WRITERS:
        raise OutputError(path, f"unknown kind of file {extension!r}; writable are {', '.join(_WRITERS)}")
    return _WRITERS[extension](resolved(path), attributes, columns, schema)


# --- values -------------------------------------------------------------------------------------------------


def _to_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_to_plain)
    except ValueError:  # NaN and infinities, which Parquet has and JSON has not, become null
        return json.dumps(_without_nan(value), ensure_ascii=False, allow_nan=False, default=_to_plain)


def _to_plain(value: Any) -> object:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    return str(value)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _to_cell(value: object) -> str:
    """Return a CSV cell: text as it is, null empty, dates in ISO form, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    plain = value if isinstance(value, bool | int | float | Mapping | list | tuple) else _to_plain(value)
    return plain if isinstance(plain, str) else _to_json(plain)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
