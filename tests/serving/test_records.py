from __future__ import annotations

import csv
import datetime
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.records import Record, RecordError, read_records

PAGE = """A title

One paragraph.

Readers' comments (2)

  • Ada Quill

    Green, please.

    Unsuitable or offensive? Report this comment

  • Blue!

    Unsuitable or offensive? Report this comment

Have your say
"""


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def put_parquet(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "in.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def texts(path: Path) -> list[str]:
    return [record.text for record in read_records(path)]


def refuse(path: Path | str, text_column: str = "text") -> RecordError:
    with pytest.raises(RecordError) as caught:
        list(read_records(path, text_column))
    assert caught.value.source in str(caught.value)
    assert caught.value.rule in str(caught.value)
    return caught.value


# --- pages and lines -------------------------------------------------------------------------------------


def test_page(tmp_path: Path) -> None:
    path = put(tmp_path, "page.txt", PAGE)
    reader = read_records(path)
    assert reader.kind == "page"
    assert reader.page is not None
    assert reader.page.title == "A title"
    assert list(reader) == [
        Record({"source": str(path), "author": "Ada Quill", "text": "Green, please."}, "Green, please."),
        Record({"source": str(path), "author": None, "text": "Blue!"}, "Blue!"),
    ]
    assert reader.notice is None
    assert reader.position == reader.size == len(PAGE.encode())


def test_page_without_comments_says_so(tmp_path: Path) -> None:
    reader = read_records(put(tmp_path, "page.txt", "A title\n\nReaders' comments (0)\n"))
    assert list(reader) == []
    assert reader.notice is not None
    assert "page.txt: no readers' comments" in reader.notice


def test_lines(tmp_path: Path) -> None:
    path = put(tmp_path, "lines.TXT", "\ufeffGreen.\r\n\n  Blue! \nhalf\u2028line")
    reader = read_records(path)
    assert reader.kind == "lines"
    assert [record.text for record in reader] == ["Green.", "Blue!", "half\u2028line"]
    assert reader.position == reader.size


def test_lines_longer_than_the_sniffed_head(tmp_path: Path) -> None:
    lines = [f"{i} " + "x" * 700_001 for i in range(5)]
    assert texts(put(tmp_path, "lines.txt", "\n".join(lines))) == lines


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl", "in.csv"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    reader = read_records(put(tmp_path, name, ""))
    assert list(reader) == []
    assert reader.notice is not None
    assert name in reader.notice


def test_not_utf8(tmp_path: Path) -> None:
    assert refuse(put(tmp_path, "in.txt", b"good\nb\xffd\n")).row == 2
    assert "byte 6" in refuse(put(tmp_path, "in.csv", b"text\na\xff\n")).rule
    assert "not UTF-8" in refuse(put(tmp_path, "page.txt", PAGE.encode() + b"\xff")).rule


def test_unknown_extension_and_directory(tmp_path: Path) -> None:
    assert ".jsonl" in refuse(put(tmp_path, "in.docx", "")).rule
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    assert "directory" in refuse(folder).rule


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_records(tmp_path / "none.txt")


# --- standard input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        ('\n {"text": "Green."}\n{"text": "Blue!"}\n', "jsonl", ["Green.", "Blue!"]),
        (PAGE, "page", ["Green, please.", "Blue!"]),
        ("Green.\nBlue!", "lines", ["Green.", "Blue!"]),
        ("", "lines", []),
    ],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, content: str, kind: str, expected: list[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    reader = read_records("-")
    assert [record.text for record in reader] == expected
    assert (reader.kind, reader.size, reader.source) == (kind, None, "standard input")


# --- JSONL -----------------------------------------------------------------------------------------------


def test_jsonl_keeps_columns(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "Green.", "tags": ["a"]}, {"text": "Blue!", "id": None}]
    path = put(tmp_path, "in.ndjson", "\n\n".join(map(json.dumps, rows)))
    assert [record.columns for record in read_records(path)] == rows


def test_empty_and_null_texts_are_kept(tmp_path: Path) -> None:
    path = put(tmp_path, "in.jsonl", '{"text": ""}\n{"text": null}\n{"text": " "}\n')
    assert texts(path) == ["", "", " "]


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        ('{"text": 5}', "text", "must hold text, not int"),
        ('{"body": "Green."}', "text", "no such column; there are 'body'"),
        ("{}", "text", "there are none"),
        ('{"text": "Green."', None, "not a JSON object"),
        ("[1]", None, "not a JSON object"),
        ("null", None, "not a JSON object"),
        ('{"text": "Green.", "x": NaN}', None, "NaN is no JSON number"),
        (r'{"text": "\ud800"}', None, "surrogate"),
        ('{"text": ' + "[" * 100_000, None, "nested too deeply"),
        ('{"text": "a", "x": ' + "9" * 5000 + "}", None, "not a JSON object"),
    ],
)
def test_jsonl_errors(tmp_path: Path, line: str, column: str | None, rule: str) -> None:
    error = refuse(put(tmp_path, "in.jsonl", f'{{"text": "fine"}}\n\n{line}\n'))
    assert (error.row, error.column) == (3, column)
    assert rule in error.rule
    assert "in.jsonl, row 3" in str(error)


def test_escaped_pairs_are_characters(tmp_path: Path) -> None:
    assert texts(put(tmp_path, "in.jsonl", r'{"text": "\ud83d\ude00"}')) == ["😀"]


# --- CSV ---------------------------------------------------------------------------------------------------


def test_csv_keeps_columns_and_quoted_newlines(tmp_path: Path) -> None:
    path = put(tmp_path, "in.csv", '\ufeffid,text\r\n1,"Green,\r\n""please"""\r\n\r\n2,\r\n')
    reader = read_records(path)
    assert reader.columns == ("id", "text")
    assert list(reader) == [
        Record({"id": "1", "text": 'Green,\r\n"please"'}, 'Green,\r\n"please"'),
        Record({"id": "2", "text": ""}, ""),
    ]
    assert reader.position == reader.size


def test_csv_cell_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    assert texts(put(tmp_path, "in.csv", "text\n" + "x" * 200_000 + "\n")) == ["x" * 200_000]


@pytest.mark.parametrize(
    ("content", "row", "column", "rule"),
    [
        ("id,text\n1,a\n2\n", 2, None, "has 1 cells where the header has 2"),
        ("id,text\n1,a,b\n", 1, None, "has 3 cells where the header has 2"),
        ('text\n"a"b\n', 1, None, "malformed CSV"),
        ('text\na\n"b\n', 2, None, "malformed CSV"),
        ("id,body\n1,a\n", None, "text", "no such column; there are 'id', 'body'"),
        ("text,text\na,b\n", None, "text", "two columns have this name"),
    ],
)
def test_csv_errors(tmp_path: Path, content: str, row: int | None, column: str | None, rule: str) -> None:
    error = refuse(put(tmp_path, "in.csv", content))
    assert (error.row, error.column) == (row, column)
    assert rule in error.rule


def test_other_text_column(tmp_path: Path) -> None:
    path = put(tmp_path, "in.csv", "body\nGreen.\n")
    assert [record.text for record in read_records(path, "body")] == ["Green."]


# --- Parquet -----------------------------------------------------------------------------------------------


def test_parquet_keeps_columns_and_types(tmp_path: Path) -> None:
    day = datetime.date(2014, 1, 1)
    path = put_parquet(tmp_path, {"day": [day] * 600, "text": ["Green.", None, "Blue!"] * 200})
    reader = read_records(path)
    assert reader.columns == ("day", "text")
    assert reader.schema.field("day").type == pa.date32()
    records = list(reader)
    assert len(records) == 600
    assert records[1] == Record({"day": day, "text": None}, "")
    assert reader.position == reader.size


def test_parquet_dictionary_text(tmp_path: Path) -> None:
    path = put_parquet(tmp_path, {"text": pa.array(["a", "b", "a"]).dictionary_encode()})
    assert texts(path) == ["a", "b", "a"]


def test_parquet_without_rows(tmp_path: Path) -> None:
    reader = read_records(put_parquet(tmp_path, {"text": pa.array([], pa.string())}))
    assert list(reader) == []
    assert reader.notice is not None


def test_parquet_errors(tmp_path: Path) -> None:
    error = refuse(put_parquet(tmp_path, {"text": [1, 2]}))
    assert (error.column, error.rule) == ("text", "must hold text, not int64")
    error = refuse(put_parquet(tmp_path, {"body": ["a"]}))
    assert error.column == "text"
    assert "'body'" in error.rule
    assert "not a Parquet file" in refuse(put(tmp_path, "bad.parquet", b"nothing")).rule
    assert "not a Parquet file" in refuse(put(tmp_path, "empty.parquet", b"")).rule


# --- any content -------------------------------------------------------------------------------------------

ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
CHARACTERS = st.characters(exclude_categories=["Cs"])


@ANY
@given(content=st.binary(max_size=200), name=st.sampled_from(["in.txt", "in.jsonl", "in.csv", "in.parquet"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = put(tmp_path, name, content)
    try:
        records = list(read_records(path))
    except RecordError:
        return
    assert all(isinstance(record.text, str) for record in records)


@ANY
@given(
    st.lists(
        st.fixed_dictionaries({"text": st.text(CHARACTERS), "id": st.integers() | st.none() | st.text(CHARACTERS)})
    )
)
def test_jsonl_round_trip(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = put(tmp_path, "in.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert [record.columns for record in read_records(path)] == rows


@ANY
@given(st.lists(st.tuples(st.text(CHARACTERS, min_size=1), st.text(CHARACTERS))))
def test_csv_round_trip(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *rows])
    path = put(tmp_path, "in.csv", buffer.getvalue())
    assert [(record.columns["id"], record.text) for record in read_records(path)] == rows
