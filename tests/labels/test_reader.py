from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labels.sources import SOURCES, Hub, Source
from labels.sources.licences import OWN
from labels.sources.reader import Labelled, RowError, SourceError, locate, read_file, read_hub
from labels.sources.source import share

SMALL = Source(
    name="small",
    title="Three rows",
    citation="None.",
    licence=OWN,
    targets=(share("toxicity", "toxic"), share("insult", "rude")),
    unknown="the rest",
    group="thread",
)
ROWS: list[dict[str, Any]] = [
    {"text": "Thank you, “neighbour”.", "toxic": 0.0, "rude": None, "thread": "a"},
    {"text": 'You, "sir",\nare a fool 🙃', "toxic": 0.75, "rude": 1.0, "thread": "a"},
    {"text": "Caf\u00e9 \u2028 at noon", "toxic": None, "rude": 0.25, "thread": None},
]
EXPECTED = [
    Labelled("small", 1, ROWS[0]["text"], {"toxicity": 0.0}, "a", natural=True),
    Labelled("small", 2, ROWS[1]["text"], {"toxicity": 0.75, "insult": 1.0}, "a", natural=True),
    Labelled("small", 3, ROWS[2]["text"], {"insult": 0.25}, None, natural=True),
]


def put(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes rows in the format of the path's suffix."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return path


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def publisher(folder: Path, *rows: dict[str, Any]) -> list[Labelled]:
    return list(read_file(SOURCES["publisher"], put(folder / "history.jsonl", rows)))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_formats_give_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path / f"small{suffix}", ROWS)
    assert locate(SMALL, tmp_path) == path
    assert list(read_file(SMALL, path)) == EXPECTED


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_no_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"small{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table({name: pa.array([], pa.string()) for name in SMALL.columns}), path)
    else:
        write(path, "text,toxic,rude,thread\n" if suffix == ".csv" else "\n")
    assert list(read_file(SMALL, path)) == []


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path / f"small{suffix}", ROWS)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert list(read_file(SMALL, path)) == EXPECTED


@pytest.mark.parametrize(("column", "other"), [("text", "story"), ("story", "text")])
def test_half_a_surrogate_pair_is_a_malformed_row(tmp_path: Path, column: str, other: str) -> None:
    good = '{"text": "Hello", "decision": "accepted"}'
    bad = f'{{"{column}": "a \\ud800 b", "{other}": "c", "decision": "accepted"}}'
    path = write(tmp_path / "history.jsonl", f"{good}\n{bad}\n")
    rule = "holds half of a surrogate pair, not a character"
    with pytest.raises(RowError, match=f"row 2, column '{column}': {rule}"):
        list(read_file(SOURCES["publisher"], path))
    reading = read_file(SOURCES["publisher"], path, skip_malformed=True)
    assert [row.row for row in reading] == [1]
    assert reading.skipped == {f"{column}: {rule}": 1}


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    path = write(tmp_path / "history.jsonl", '{"text": "\\ud83d\\ude43", "decision": "accepted"}\n')
    assert [row.text for row in read_file(SOURCES["publisher"], path)] == ["🙃"]


def test_blank_lines_keep_their_numbers(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in ROWS]
    path = write(tmp_path / "small.jsonl", f"\n{lines[0]}\r\n\n{lines[1]}")
    assert [row.row for row in read_file(SMALL, path)] == [2, 4]


@pytest.mark.parametrize(
    ("cells", "column", "rule"),
    [
        ({"toxic": "much"}, "toxic", "expected a number from 0 to 1, found str"),
        ({"toxic": [1]}, "toxic", "expected a number from 0 to 1, found list"),
        ({"toxic": 1.5}, "toxic", "expected a number from 0 to 1, found 1.5"),
        ({"toxic": -1}, "toxic", "expected a number from 0 to 1, found -1"),
        ({"toxic": 10**400}, "toxic", "expected a number from 0 to 1, found int"),
        ({"text": ""}, "text", "expected a text that is not empty"),
        ({"text": " \n"}, "text", "expected a text that is not empty"),
        ({"text": None}, "text", "expected a text that is not empty"),
        ({"text": 12}, "text", "expected a text that is not empty"),
    ],
)
def test_malformed_cell_names_file_row_column_and_rule(
    tmp_path: Path, cells: dict[str, Any], column: str, rule: str
) -> None:
    path = put(tmp_path / "small.jsonl", [ROWS[0], ROWS[1] | cells])
    with pytest.raises(RowError) as caught:
        list(read_file(SMALL, path))
    error = caught.value
    assert (error.file, error.row, error.column, error.rule) == ("small.jsonl", 2, column, rule)
    assert str(error) == f"small.jsonl, row 2, column {column!r}: {rule}"


@pytest.mark.parametrize("missing", ["text", "toxic", "thread"])
def test_missing_column(tmp_path: Path, missing: str) -> None:
    rows = [{name: cell for name, cell in row.items() if name != missing} for row in ROWS]
    for suffix in (".jsonl", ".csv", ".parquet"):
        with pytest.raises(RowError, match=f"row 1, column '{missing}': the column is missing; there are "):
            list(read_file(SMALL, put(tmp_path / f"small{suffix}", rows)))


@pytest.mark.parametrize(
    ("name", "content", "row", "column", "rule"),
    [
        ("a.jsonl", '{"text": "Hello"\n', 1, "(line)", "expected one JSON object a line: "),
        ("b.jsonl", '["Hello"]\n', 1, "(line)", "expected one JSON object a line"),
        ("c.jsonl", "[" * 100_000 + "\n", 1, "(line)", "or too deep"),
        ("d.jsonl", '{"toxic": 1' + "0" * 5000 + "}\n", 1, "(line)", "too long a number"),
        ("e.csv", "text,toxic,rude,thread\nHi,0,0,a\nHello,1\n", 2, "(row)", "expected 4 cells"),
        ("f.csv", "text,toxic,rude,thread\nHello,1,1,a,b\n", 1, "(row)", "expected 4 cells"),
        ("g.csv", 'text,toxic,rude,thread\n"Hello" you,1,1,a\n', 1, "(row)", "malformed CSV: "),
        ("h.csv", 'text,toxic,rude,thread\n"Hello,1,1,a\n', 1, "(row)", "malformed CSV: "),
    ],
)
def test_malformed_line(tmp_path: Path, name: str, content: str, row: int, column: str, rule: str) -> None:
    with pytest.raises(RowError) as caught:
        list(read_file(SMALL, write(tmp_path / name, content)))
    assert (caught.value.row, caught.value.column) == (row, column)
    assert rule in caught.value.rule


def test_skipped_rows_are_counted_by_reason_and_the_rest_read(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in (*ROWS, ROWS[0] | {"toxic": 2}, ROWS[0] | {"toxic": 2}, ROWS[0] | {"text": ""})]
    path = write(tmp_path / "small.jsonl", "\n".join(["{", *reversed(lines)]))
    reading = read_file(SMALL, path, skip_malformed=True)
    assert [row.row for row in reading] == [5, 6, 7]
    assert sorted(reading.skipped.values()) == [1, 1, 2]
    assert reading.skipped["toxic: expected a number from 0 to 1, found 2"] == 2
    assert reading.skipped["text: expected a text that is not empty"] == 1


def test_rows_after_a_broken_csv_line_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "small.csv", 'text,toxic,rude,thread\nHi,0,0,a\n"Hello" you,1,1,a\nshort\nBye,1,1,a\n')
    reading = read_file(SMALL, path, skip_malformed=True)
    assert [(row.row, row.text) for row in reading] == [(1, "Hi"), (4, "Bye")]
    assert sum(reading.skipped.values()) == 2


@pytest.mark.parametrize("name", ["small.jsonl", "small.csv", "small.parquet"])
def test_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"text\ncaf\xe9\n")
    with pytest.raises(SourceError, match=f"{name}: expected "):
        list(read_file(SMALL, tmp_path / name))


def test_missing_file_and_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"small: no small\{\.parquet,\.jsonl,\.csv\} in "):
        locate(SMALL, tmp_path)
    with pytest.raises(SourceError, match="small: there is no file "):
        read_file(SMALL, tmp_path / "small.csv")
    with pytest.raises(SourceError, match=r"small\.xlsx: expected one of "):
        read_file(SMALL, tmp_path / "small.xlsx")


def test_hub_original_by_name(tmp_path: Path) -> None:
    """A folder is a hub name to `datasets`: the same call, without the network."""
    folder = tmp_path / "published"
    folder.mkdir()
    put(folder / "train.parquet", [{"comment": "Hello", "attack": 1.0}, {"comment": "Bye", "attack": None}])
    hub = Hub(str(folder), split="train", text="comment", targets=(share("insult", "attack"),))
    source = Source("small", "", "", OWN, SMALL.targets, "", hub=hub)
    assert list(read_hub(source)) == [
        Labelled("small", 1, "Hello", {"insult": 1.0}, None, natural=True),
        Labelled("small", 2, "Bye", {}, None, natural=True),
    ]


def test_source_on_no_hub() -> None:
    with pytest.raises(SourceError, match="small: the original is on no hub; give a local directory"):
        read_hub(SMALL)


def test_publishers_decisions(tmp_path: Path) -> None:
    rows = publisher(
        tmp_path,
        {"text": "One", "decision": "accepted", "story": 17},
        {"text": "Two", "decision": "rejected", "featured": False},
        {"text": "Three", "decision": "accepted", "featured": True, "insult": 0.25, "note": "further columns"},
        {"text": "Four", "decision": "rejected", "report_worthy": 0.4},
        {"text": "Five"},
    )
    assert [row.group for row in rows] == ["17", None, None, None, None]
    # Not featured is not "not constructive"; a stated share goes before the decision.
    assert [dict(row.labels) for row in rows] == [
        {"report_worthy": 0.0},
        {"report_worthy": 1.0},
        {"report_worthy": 0.0, "constructive": 1.0, "insult": 0.25},
        {"report_worthy": 0.4},
        {},
    ]


def test_publishers_csv_holds_strings(tmp_path: Path) -> None:
    path = write(
        tmp_path / "history.csv", "text,decision,featured,insult,story\nHi,rejected,TRUE,0.5,\nBye,,0,,bypass\n"
    )
    rows = list(read_file(SOURCES["publisher"], path))
    assert [dict(row.labels) for row in rows] == [{"report_worthy": 1.0, "constructive": 1.0, "insult": 0.5}, {}]
    assert [row.group for row in rows] == [None, "bypass"]


@pytest.mark.parametrize(
    ("cells", "column", "rule"),
    [
        ({"decision": "perhaps"}, "decision", "expected 'accepted' or 'rejected', found str"),
        ({"decision": 1}, "decision", "expected 'accepted' or 'rejected', found int"),
        ({"decision": ["accepted"]}, "decision", "expected 'accepted' or 'rejected', found list"),
        ({"featured": "yes"}, "featured", "expected true or false"),
        ({"insult": 3}, "insult", "expected a number from 0 to 1, found 3"),
    ],
)
def test_publishers_malformed_row(tmp_path: Path, cells: dict[str, Any], column: str, rule: str) -> None:
    with pytest.raises(RowError) as caught:
        publisher(tmp_path, {"text": "Hello"} | cells)
    assert (caught.value.column, caught.value.rule) == (column, rule)


def test_marked_places_are_read_and_need_no_label(tmp_path: Path) -> None:
    rows = [{"text": "You fool.", "spans": "[4, 5, 6, 7]"}, {"text": "Fine.", "spans": "[]"}]
    found = list(read_file(SOURCES["toxic_spans_semeval"], put(tmp_path / "toxic_spans_semeval.jsonl", rows)))
    assert [item.marks for item in found] == [((4, 8),), ()]
    assert not any(item.labels for item in found)


def test_marks_outside_the_text_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "toxic_spans_semeval.jsonl", [{"text": "You fool.", "spans": "[8, 9]"}])
    with pytest.raises(RowError, match=r"row 1, column 'spans': expected places within the text's 9 characters"):
        list(read_file(SOURCES["toxic_spans_semeval"], path))
