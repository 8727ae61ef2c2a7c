from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, inspect

from serving.artifact import Artifact
from serving.cli import _bound
from serving.scorer import Scorer
from serving.settings import Settings, read
from tests import databases
from tests.service import free_port, running

RUDE = "You absolute clown, nobody wants your lies here."
CALM = "The new timetable starts on Monday, and the number 9 now stops at the hospital."

DATABASE_URLS = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"

PAGE = f"""Weekly Gazette

Council closes the ford road

The council has closed the road over the ford until further notice.

A spokesman said the closure would be reviewed in the spring, after the flood survey.

Readers' comments (2)

  • Ann Example

    {CALM}

    It also runs later.

    Unsuitable or offensive? Report this comment

  • {RUDE}

    Unsuitable or offensive? Report this comment

Have your say
"""


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from serving.cli import app; app()", *arguments]
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, timeout=120)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "comments.jsonl"
    rows = [{"id": 1, "body": CALM}, {"id": 2, "body": RUDE}, {"id": 3, "body": ""}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_page_is_printed_with_the_rudest_comment_on_top(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text(PAGE)
    result = run("score", str(tmp_path / "page.txt"))
    assert result.returncode == 0, result.stderr
    assert "Council closes the ford road (2 comments)" in result.stdout
    assert result.stdout.index("absolute clown") < result.stdout.index("new timetable")
    assert "Ann Example" in result.stdout


def test_a_page_without_comments_says_so(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("This site is intended for readers only\n\nA headline\n\nAn article. It ends.\n")
    result = run("score", str(tmp_path / "page.txt"))
    assert result.returncode == 0
    assert "no readers' comments" in result.stdout + result.stderr


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_output_keeps_the_rows_columns_and_adds_scores(
    table: Path, tmp_path: Path, suffix: str, scorer: Scorer
) -> None:
    output = tmp_path / f"scored.{suffix}"
    result = run("score", str(table), "--text-column", "body", "--output", str(output), "--attributes", "insult,threat")
    assert result.returncode == 0, result.stderr
    assert "1 comment without a text to score" in result.stderr
    if suffix == "parquet":
        rows = pq.read_table(output).to_pylist()
    elif suffix == "csv":
        with output.open(newline="") as file:
            rows = [row | {"scores": json.loads(row["scores"] or "null")} for row in csv.DictReader(file)]
    else:
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [str(row["id"]) for row in rows] == ["1", "2", "3"]
    expected = scorer.score([CALM, RUDE])[1]
    assert rows[1]["scores"] == pytest.approx({name: expected[name] for name in ("insult", "threat")}, abs=1e-5)
    assert rows[2]["scores"] is None


def test_top_shows_the_highest(table: Path) -> None:
    result = run("score", str(table), "--text-column", "body", "--top", "1")
    assert "absolute clown" in result.stdout
    assert "timetable" not in result.stdout


def test_standard_input_and_parquet_are_read(tmp_path: Path) -> None:
    assert "absolute clown" in run("score", "-", stdin=f"{CALM}\n{RUDE}\n").stdout
    pq.write_table(pa.table({"text": [CALM, RUDE]}), tmp_path / "in.parquet")
    assert "absolute clown" in run("score", str(tmp_path / "in.parquet")).stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("score", "nowhere.csv"), "nowhere.csv"),
        (("score", "{table}"), "'text'"),
        (("score", "{table}", "--text-column", "body", "--attributes", "wit"), "wit"),
        (("score", "{table}", "--text-column", "body", "--output", "scores.docx"), ".docx"),
        (("score", "{table}", "--text-column", "body", "--model", "/nowhere"), "/nowhere"),
        (("serve", "--port", "{port}", "--model", "/nowhere"), "--model: no model in /nowhere"),
        (("serve", "--port", "{port}", "--demo"), "comments-demo.json: damaged"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    table: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], named: str
) -> None:
    (table.parent / "comments-demo.json").write_text("[]")
    monkeypatch.setenv("EVENHAND_DATABASE_URL", f"sqlite:///{table.with_suffix('.sqlite3')}")
    result = run(*(argument.format(table=table, port=free_port()) for argument in arguments))
    assert result.returncode == 2
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [("serve",), ("keys", "list"), ("reload",), ("coral", "check")])
@pytest.mark.parametrize(
    ("name", "value", "rule"), [("PORT", "99999", "65535"), ("MODE", "open", "'keys'"), ("HOST", "0.0.0.0", "loopback")]
)
def test_a_bad_setting_names_key_and_rule_and_no_password(
    arguments: tuple[str, ...], name: str, value: str, rule: str
) -> None:
    command = [sys.executable, "-c", "from serving.cli import app; app()", *arguments]
    environment = {**os.environ, "EVENHAND_DATABASE_URL": "postgresql://u:hunter2@h/x", f"EVENHAND_{name}": value}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert f"EVENHAND_{'MODE' if name == 'HOST' else name}: " in line
    assert rule in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("options", "name", "value", "rule"),
    [
        ((), "CORAL", "/nonexist", "/nonexist: cannot be read"),
        ((), "MODEL", "/nonexist", "no model in /nonexist"),
        ((), "DATABASE_URL", "hunter2", f"expected {DATABASE_URLS} ("),
        (("--demo",), "DATABASE_URL", "hunter2", f"expected {DATABASE_URLS} ("),
        ((), "DATABASE_URL", "postgresql+psycopg://u:a@b:hunter2@h/x", f"expected {DATABASE_URLS} ("),
        ((), "DATABASE_URL", "nope://u:hunter2@h/x", f"expected {DATABASE_URLS} ("),
        ((), "DATABASE_URL", "postgresql+psycopg:///x?host=/no&password=hunter2", "postgresql+psycopg:///x?host="),
    ],
)
def test_what_a_setting_names_and_cannot_be_used_is_told_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], name: str, value: str, rule: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where the demo keeps its file
    monkeypatch.setenv("EVENHAND_DATABASE_URL", f"sqlite:///{tmp_path}/db.sqlite3")
    monkeypatch.setenv(f"EVENHAND_{name}", value)
    result = run("serve", "--port", str(free_port()), *options)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"evenhand: EVENHAND_{name}: {rule}")
    assert "hunter2" not in line


def test_the_address_is_taken_before_anything_is_said_or_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = databases.fresh(tmp_path)
    monkeypatch.setenv("EVENHAND_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for demo in ((), ("--demo",)):
            result = run("serve", "--port", str(port), *demo)
            assert (result.returncode, result.stdout) == (2, "")
            assert result.stderr == f"evenhand: 127.0.0.1:{port}: address already in use\n"
        other.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            other.accept()
    assert list(tmp_path.glob("*demo*")) == []
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_host_that_is_none_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_MODE", "keys")
    result = run("serve", "--host", "300.1.1.1", "--port", "8123")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("evenhand: 300.1.1.1:8123: ")


def test_every_address_of_a_host_is_listened_on(tmp_path: Path) -> None:
    with running(tmp_path / "log", "--host", "localhost") as server:
        port = int(server.url.rsplit(":", 1)[1])
        for family, kind, *_, address in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as client:
                client.connect(address)


def test_an_address_that_the_machine_lacks_is_left_out_unless_it_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def names(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 0)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    names("203.0.113.9", "127.0.0.1")  # the first is for documentation only (RFC 5737)
    (one,) = _bound("localhost", 0)
    with one:
        assert one.getsockname()[0] == "127.0.0.1"
    names("203.0.113.9")
    with pytest.raises(OSError, match="requested address"):
        _bound("localhost", 0)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
    ],
)
def test_the_address_is_one_that_this_machine_can_call(host: str, address: str) -> None:
    assert Settings(host=host, mode="keys").address == address


def test_info_says_whether_the_model_marks_words(markless: Path) -> None:
    assert re.search(r"^marks words +of toxicity, from 0\.\d+ on$", run("info").stdout, re.MULTILINE)
    assert re.search(r"^marks words +no$", run("info", "--model", str(markless)).stdout, re.MULTILINE)


def test_info_names_model_licence_and_hashes() -> None:
    manifest = Artifact.load().manifest
    output = run("info").stdout
    for expected in (manifest.name, manifest.version, manifest.licence, *manifest.files.values(), "incivility"):
        assert expected in output


def test_nothing_is_left_in_the_home_directory(tmp_path: Path) -> None:
    """ONNX Runtime would leave an id there, and report under it."""
    code = "from serving.cli import app; app()"
    command = [sys.executable, "-c", code, "score", "docs/examples/comments.jsonl"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment | {"HOME": str(tmp_path)}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_a_setting_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "CORAL", "PORT"):
        monkeypatch.setenv(f"EVENHAND_{name}", "")
    found = read()
    assert (found.model, found.coral, found.port) == (None, None, 8000)


def test_names_with_brackets_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_DATABASE_URL", databases.fresh(tmp_path))
    name = "[red]x[/red] [/]"
    hook = "https://[fd00::5]/[/a]"
    for made in (["keys", "create", name], ["sites", "create", "daily", name], ["hooks", "add", "daily", hook]):
        done = run(*made)
        assert done.returncode == 0, done.stderr
    for kind, shown in (("keys", name), ("sites", name), ("hooks", hook)):
        assert shown in run(kind, "list").stdout
    assert "printable" in run("keys", "create", "two\nlines").stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="only Unix has the signal")
def test_a_signal_to_reload_does_not_end_a_service_that_starts(tmp_path: Path) -> None:
    url, port = databases.fresh(tmp_path), free_port()
    command = [sys.executable, "-c", "from serving.cli import app; app()", "serve", "--port", str(port)]
    environment = os.environ | {"EVENHAND_DATABASE_URL": url}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert "listens" in process.stderr.readline()  # the model is not loaded yet
            process.send_signal(signal.SIGHUP)
            line = process.stderr.readline()
            while line and '"ready"' not in line:
                line = process.stderr.readline()
            assert line
            assert process.poll() is None
        finally:
            process.terminate()
            process.communicate()
