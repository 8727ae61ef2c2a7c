"""Reads comments from files of any size: saved pages, lines of text, JSONL, CSV, Parquet, standard input.

Tables are streamed, so memory stays bounded by the longest row (Parquet: by the largest row group); a saved
page is read whole, up to ``PAGE_LIMIT``.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from serving.pages import Page, is_page, parse_page

__all__ = ["STDIN", "Reader", "Record", "RecordError", "read_records"]

STDIN: Final = "-"
PAGE_LIMIT: Final = 64 << 20  # bytes; a saved page is a few kilobytes
_HEAD: Final = 1 << 20  # bytes looked at to tell pages, JSONL and lines apart
_CELL_LIMIT: Final = 16 << 20  # characters; the csv module's own 128 KiB is less than some articles
_PARQUET_BATCH: Final = 256  # rows

Kind = Literal["page", "lines", "jsonl", "csv", "parquet"]


class RecordError(ValueError):
    """An input that cannot be read: which source, row and column, and the rule it breaks.

    ``row`` counts data rows from 1 (a CSV header is not one); in JSONL and lines it is the line number.
    """

    def __init__(self, source: str, rule: str, *, row: int | None = None, column: str | None = None) -> None:
        self.source, self.rule, self.row, self.column = source, rule, row, column
        place = [source]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {rule}")


@dataclass(frozen=True, slots=True)
class Record:
    """One comment: the columns it came with, and its text ("" where a table's cell is empty or null)."""

    columns: dict[str, Any]
    text: str


class Reader:
    """The comments of one source, read as they are iterated; iterate once.

    Attributes:
        source: the path as given, or "standard input".
        kind: how the source was read.
        columns: the names of its columns where known before the first row, else ().
        schema: a Parquet file's ``pyarrow.Schema``, else None.
        page: the saved page, if it is one.
        notice: a sentence for the user when there is something odd but not wrong, such as a page
            without comments. None otherwise; complete once iteration has ended.
        size: bytes in the source, or None if unknown.
        position: bytes read so far, for progress (for Parquet, in proportion to its rows).

    """

    def __init__(self, source: str, kind: Kind, size: int | None) -> None:
        self.source = source
        self.kind = kind
        self.size = size
        self.columns: tuple[str, ...] = ()
        self.schema: Any = None
        self.page: Page | None = None
        self.notice: str | None = None
        self.position = 0
        self._records: Iterator[Record] = iter(())
        self._resources = ExitStack()

    def __iter__(self) -> Iterator[Record]:
        with self._resources:
            empty = True
            for record in self._records:
                empty = False
                yield record
            if empty and self.notice is None:
                self.notice = f"{self.source}: no comments in it"

    def close(self) -> None:
        """Close the source; iterating to the end has done so already."""
        self._resources.close()


def read_records(path: str | Path, text_column: str = "text") -> Reader:
    """Open a source and return its reader. The format follows from the file's extension.

    - ``.txt``: a saved page if it bears a page's marks, else one comment per non-empty line
    - ``.jsonl``, ``.ndjson``: one object per line
    - ``.csv``: comma-separated with a header, UTF-8
    - ``.parquet``
    - ``-``: standard input; JSONL if the first filled line starts with "{", else as ``.txt``

    Table rows keep their own columns and take their text from ``text_column``. Pages give the columns source,
    author and text, lines source and text.

    Raises:
        RecordError: here or while iterating: unknown extension, unreadable or malformed content, no such
            text column, a text that is not a string.
        OSError: the file cannot be opened.

    """
    if str(path) == STDIN:
        reader = Reader("standard input", "lines", None)
        _open_text(reader, sys.stdin.buffer, text_column, sniff_jsonl=True)
        return reader
    path = Path(path)
    source, extension = str(path), path.suffix.lower()
    if extension not in _OPENERS:
        known = ", ".join(_OPENERS)
        raise RecordError(source, f"unknown kind of file {extension!r}; readable are {known} and - (standard input)")
    if path.is_dir():
        raise RecordError(source, "is a directory; name the files in it")
    kind, opener = _OPENERS[extension]
    reader = Reader(source, kind, path.stat().st_size)
    try:
        opener(reader, reader._resources.enter_context(path.open("rb")), text_column)
    except BaseException:
        reader.close()
        raise
    return reader


# --- text: pages, lines and JSONL ---------------------------------------------------------------------------


def _open_txt(reader: Reader, stream: IO[bytes], text_column: str) -> None:
    _open_text(reader, stream, text_column, sniff_jsonl=False)


def _open_text(reader: Reader, stream: IO[bytes], text_column: str, *, sniff_jsonl: bool) -> None:
    head = stream.read(_HEAD)
    beginning = head.decode("utf-8-sig", errors="replace")
    # The rest is decoded strictly later; here only the marks matter.
    if sniff_jsonl and beginning.lstrip().startswith("{"):
        _open_jsonl(reader, stream, text_column, head)
    elif is_page(beginning):
        _open_page(reader, stream, head)
    else:
        reader.kind, reader.columns = "lines", ("source", "text")
        reader._records = _read_lines(reader, _lines(reader, stream, head))


def _open_page(reader: Reader, stream: IO[bytes], head: bytes) -> None:
    data = head + stream.read(max(PAGE_LIMIT - len(head), 0) + 1)
    if len(data) > PAGE_LIMIT:
        raise RecordError(reader.source, f"a saved page may not be larger than {PAGE_LIMIT >> 20} MiB")
    try:
        page = parse_page(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RecordError(reader.source, f"not UTF-8 at byte {error.start}") from None
    reader.kind, reader.page, reader.columns = "page", page, ("source", "author", "text")
    if not page.comments:
        reader.notice = f"{reader.source}: no readers' comments on this page"
    reader._records = _read_page(reader, page, len(data))


def _read_page(reader: Reader, page: Page, size: int) -> Iterator[Record]:
    for comment in page.comments:
        columns = {"source": reader.source, "author": comment.author, "text": comment.text}
        yield Record(columns, comment.text)
    reader.position = size


def _read_lines(reader: Reader, lines: Iterable[str]) -> Iterator[Record]:
    for line in lines:
        if text := line.strip():
            yield Record({"source": reader.source, "text": text}, text)


def _open_jsonl(reader: Reader, stream: IO[bytes], text_column: str, head: bytes = b"") -> None:
    reader.kind = "jsonl"
    reader._records = _read_jsonl(reader, _lines(reader, stream, head), text_column)


def _read_jsonl(reader: Reader, lines: Iterable[str], text_column: str) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            columns = json.loads(line, parse_constant=_refuse_constant)
            if "\\u" in line:
                json.dumps(columns, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise RecordError(reader.source, "holds half of a surrogate pair, not a character", row=number) from None
        except RecursionError:
            raise RecordError(reader.source, "nested too deeply", row=number) from None
        except ValueError as error:
            raise RecordError(reader.source, f"not a JSON object: {error}", row=number) from None
        if not isinstance(columns, dict):
            raise RecordError(reader.source, "not a JSON object", row=number)
        if text_column not in columns:
            raise _missing(reader.source, text_column, tuple(columns), row=number)
        yield Record(columns, _text(reader.source, columns[text_column], number, text_column))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _lines(reader: Reader, stream: IO[bytes], head: bytes = b"") -> Iterator[str]:
    """Decode the lines of a stream whose first bytes were read already; count bytes into ``position``.

    A line is what a newline ends; Unicode's other separators stand inside comments.
    """
    for number, line in enumerate(_byte_lines(stream, head), start=1):
        reader.position += len(line)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise RecordError(reader.source, f"not UTF-8 at byte {error.start} of the row", row=number) from None


def _byte_lines(stream: IO[bytes], head: bytes) -> Iterator[bytes]:
    lines = io.BytesIO(head).readlines()
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += stream.readline()  # the head ended inside a line
    return itertools.chain(lines, stream)


# --- CSV ----------------------------------------------------------------------------------------------------


def _open_csv(reader: Reader, stream: IO[bytes], text_column: str) -> None:
    csv.field_size_limit(_CELL_LIMIT)
    # Strict: a stray quote would otherwise swallow rows without a word.
    rows = csv.reader(_csv_lines(reader, stream), strict=True)
    header = _next_row(reader, rows, 0)
    if header is None:
        reader.notice = f"{reader.source}: the file is empty"
        return
    reader.columns = tuple(header)
    _require_unique(reader.source, header)
    if text_column not in header:
        raise _missing(reader.source, text_column, header)
    reader._records = _read_csv(reader, rows, text_column)


def _csv_lines(reader: Reader, stream: IO[bytes]) -> Iterator[str]:
    # Carriage returns alone (old spreadsheets) end no line of a binary stream, and the csv module
    # refuses them; its message says so.
    for line in stream:
        start = reader.position
        reader.position += len(line)
        if not start and line.startswith(codecs.BOM_UTF8):
            start = len(codecs.BOM_UTF8)
            line = line[start:]
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise RecordError(reader.source, f"not UTF-8 at byte {start + error.start}") from None


def _next_row(reader: Reader, rows: Iterator[list[str]], number: int) -> list[str] | None:
    """Return the next row that is not blank, or None at the end."""
    try:
        return next((row for row in rows if row), None)
    except csv.Error as error:
        raise RecordError(reader.source, f"malformed CSV: {error}", row=number) from None


def _read_csv(reader: Reader, rows: Iterator[list[str]], text_column: str) -> Iterator[Record]:
    header = reader.columns
    place = header.index(text_column)
    for number in itertools.count(1):
        row = _next_row(reader, rows, number)
        if row is None:
            return
        if len(row) != len(header):
            rule = f"has {len(row)} cells where the header has {len(header)}"
            raise RecordError(reader.source, rule, row=number)
        yield Record(dict(zip(header, row, strict=True)), row[place])


# --- Parquet ------------------------------------------------------------------------------------------------


def _open_parquet(reader: Reader, stream: IO[bytes], text_column: str) -> None:
    try:
        file = pq.ParquetFile(stream)
    except pa.ArrowException as error:
        raise RecordError(reader.source, f"not a Parquet file: {_first_line(error)}") from None
    schema = file.schema_arrow
    _require_unique(reader.source, schema.names)
    if text_column not in schema.names:
        raise _missing(reader.source, text_column, schema.names)
    kind = schema.field(text_column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise RecordError(reader.source, f"must hold text, not {kind}", column=text_column)
    reader.schema, reader.columns = schema, tuple(schema.names)
    reader._records = _read_parquet(reader, file, text_column)


def _read_parquet(reader: Reader, file: Any, text_column: str) -> Iterator[Record]:
    total, number = file.metadata.num_rows, 0
    try:
        for batch in file.iter_batches(batch_size=_PARQUET_BATCH):
            for columns in batch.to_pylist():
                number += 1
                yield Record(columns, _text(reader.source, columns[text_column], number, text_column))
            reader.position = (reader.size or 0) * number // total
    except (pa.ArrowException, UnicodeDecodeError) as error:
        rule = f"unreadable Parquet after this row: {_first_line(error)}"
        raise RecordError(reader.source, rule, row=number) from None


# --- checks -------------------------------------------------------------------------------------------------


def _text(source: str, value: object, row: int, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordError(source, f"must hold text, not {type(value).__name__}", row=row, column=column)
    return value


def _missing(source: str, column: str, present: Sequence[str], row: int | None = None) -> RecordError:
    names = ", ".join(map(repr, present[:20])) + (", …" if len(present) > 20 else "")
    rule = f"no such column; there are {names or 'none'}. Choose the text's with --text-column"
    return RecordError(source, rule, row=row, column=column)


def _require_unique(source: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RecordError(source, "two columns have this name", column=name)
        seen.add(name)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_OPENERS: Final[dict[str, tuple[Kind, Callable[[Reader, IO[bytes], str], None]]]] = {
    ".txt": ("lines", _open_txt),
    ".jsonl": ("jsonl", _open_jsonl),
    ".ndjson": ("jsonl", _open_jsonl),
    ".csv": ("csv", _open_csv),
    ".parquet": ("parquet", _open_parquet),
}
