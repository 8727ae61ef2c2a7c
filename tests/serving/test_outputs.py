from __future__ import annotations

import csv
import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.outputs import OutputError, open_writer
from serving.records import read_records

ATTRIBUTES = ("rude", "kind")
SCORES = {"rude": 0.25, "kind": 0.5, "unasked": 1.0}
KEPT = {"rude": 0.25, "kind": 0.5}
EXTENSIONS = pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    """Write rows with scores, but for those without text."""
    with open_writer(path, ATTRIBUTES, **options) as writer:
        for row in rows:
            writer.write(row, SCORES if row.get("text") else None)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """All rows, their scores as objects whatever the format."""
    rows = [dict(record.columns) for record in read_records(path)]
    for row in rows:
        if path.suffix == ".csv":
            row["scores"] = json.loads(row["scores"]) if row["scores"] else None
    return rows


@EXTENSIONS
def test_rows_keep_their_columns_and_gain_scores(tmp_path: Path, extension: str) -> None:
    rows = [{"id": "a", "text": "Green,\n“please”"}, {"id": "b", "text": ""}]
    path = write(tmp_path / f"out{extension}", rows)
    assert read(path) == [{**rows[0], "scores": KEPT}, {**rows[1], "scores": None}]
    assert list(tmp_path.iterdir()) == [path]


@EXTENSIONS
def test_no_rows(tmp_path: Path, extension: str) -> None:
    path = write(tmp_path / f"out{extension}", [], columns=("source", "text"))
    assert read(path) == []
    if extension == ".csv":
        assert path.read_bytes() == b"source,text,scores\r\n"
    if extension == ".parquet":
        assert pq.read_schema(path).names == ["source", "text", "scores"]


@EXTENSIONS
@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_a_failed_run_leaves_the_target_as_it_was(
    tmp_path: Path, extension: str, interruption: type[BaseException]
) -> None:
    path = tmp_path / f"out{extension}"
    path.write_text("before")

    def fail() -> None:
        with open_writer(path, ATTRIBUTES) as writer:
            for _ in range(5000):
                writer.write({"text": "Green."}, SCORES)
            raise interruption

    with pytest.raises(interruption):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@EXTENSIONS
def test_the_target_appears_only_at_the_end(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out{extension}"
    with open_writer(path, ATTRIBUTES) as writer:
        writer.write({"text": "Green."}, SCORES)
        assert not path.exists()
    assert path.exists()


@EXTENSIONS
def test_an_error_while_finishing_leaves_nothing(tmp_path: Path, extension: str) -> None:
    # Tables notice this column only when they settle the header, at the end of a short run.
    with pytest.raises(OutputError) as caught:
        write(tmp_path / f"out{extension}", [{"scores": 1, "text": "a"}])
    assert (caught.value.row, caught.value.column) == (1, "scores")
    assert list(tmp_path.iterdir()) == []


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write(tmp_path / "link.csv", [{"text": "a"}])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").is_file()


def test_refused_paths(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"unknown kind of file '.xlsx'; writable are .jsonl"):
        open_writer(tmp_path / "out.xlsx", ATTRIBUTES)
    with pytest.raises(OutputError, match="there is no directory"):
        open_writer(tmp_path / "none" / "out.csv", ATTRIBUTES)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="no ordinary file"):
        open_writer(tmp_path / "folder.csv", ATTRIBUTES)


@pytest.mark.parametrize("extension", [".csv", ".parquet"])
def test_columns_that_come_late(tmp_path: Path, extension: str) -> None:
    rows: list[dict[str, Any]] = [{"text": "a"}, {"text": "b", "id": "1"}]
    path = write(tmp_path / f"out{extension}", rows)
    assert [row["id"] or None for row in read(path)] == [None, "1"]
    with pytest.raises(OutputError) as caught:
        write(path, [{"text": "a"}] * 5000 + [{"text": "b", "late": "1"}])
    assert (caught.value.row, caught.value.column) == (5001, "late")


def test_parquet_keeps_given_types_over_many_groups(tmp_path: Path) -> None:
    schema = pa.schema([("day", pa.timestamp("ms", "UTC")), ("n", pa.int16()), ("text", pa.large_string())])
    day = datetime.datetime(2014, 1, 1, tzinfo=datetime.UTC)
    rows = [{"day": None, "n": None, "text": "a"}] * 5000 + [{"day": day, "n": 3, "text": "b"}] * 5000
    path = write(tmp_path / "out.parquet", rows, columns=schema.names, schema=schema)
    written = pq.read_table(path)
    assert written.schema.remove(3) == schema
    assert written.schema.field("scores").type == pa.struct([("rude", pa.float32()), ("kind", pa.float32())])
    assert written.num_rows == 10_000
    assert written.slice(9_999).to_pylist() == [{"day": day, "n": 3, "text": "b", "scores": KEPT}]


def test_parquet_refuses_values_of_two_types(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"column 'id': does not hold values of one type.*write .jsonl"):
        write(tmp_path / "out.parquet", [{"text": "a", "id": 1}, {"text": "a", "id": "x"}])
    rows: list[dict[str, Any]] = [{"text": "a", "id": 1}] * 5000
    with pytest.raises(OutputError, match=r"column 'id': in rows 4097 to 5001 a value is not int64"):
        write(tmp_path / "out.parquet", [*rows, {"text": "a", "id": "x"}])
    assert list(tmp_path.iterdir()) == []


def test_values_that_json_lacks(tmp_path: Path) -> None:
    row = {
        "text": "a",
        "day": datetime.date(2014, 1, 1),
        "sum": Decimal("1.50"),
        "raw": b"\x00\xff",
        "nan": float("nan"),
        "deep": {"list": [1.5, float("inf")]},
    }
    path = write(tmp_path / "out.jsonl", [row])
    assert read(path) == [
        {
            "text": "a",
            "day": "2014-01-01",
            "sum": "1.50",
            "raw": "AP8=",
            "nan": None,
            "deep": {"list": [1.5, None]},
            "scores": KEPT,
        }
    ]


def test_csv_cells(tmp_path: Path) -> None:
    row = {"text": "a", "none": None, "yes": True, "n": 3, "list": ["x"], "day": datetime.date(2014, 1, 1)}
    path = write(tmp_path / "out.csv", [row])
    with path.open(newline="") as file:
        cells = list(csv.reader(file))[1]
    assert cells == ["a", "", "true", "3", '["x"]', "2014-01-01", json.dumps(KEPT)]


ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
WORDS = st.text(st.characters(exclude_categories=["Cs"]))


@ANY
@given(
    st.lists(st.fixed_dictionaries({"id": WORDS.filter(bool), "text": WORDS})),
    st.sampled_from([".jsonl", ".csv", ".parquet"]),
)
def test_round_trip(tmp_path: Path, rows: list[dict[str, str]], extension: str) -> None:
    path = write(tmp_path / f"out{extension}", rows, columns=("id", "text"))
    assert read(path) == [{**row, "scores": KEPT if row["text"] else None} for row in rows]
