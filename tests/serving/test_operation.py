"""A server as its operator meets it: stopped, reloaded, watched, and met by clients that misbehave."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import soak
from benchmarks.http import Running
from serving import artifact, keys
from serving.api import create_app
from serving.metrics import TENTHS, TOGETHER, Metrics
from serving.scorer import Scores
from serving.settings import Settings
from serving.store import Store
from tests import databases
from tests.coroutines import finish
from tests.service import Server, running

ANALYZE = "/v1alpha1/comments:analyze"
OPERATORS = Path(__file__).parents[2] / "docs" / "operators.md"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "frame-ancestors 'none'",
}
PREFLIGHT = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))  # more: SOAK_SECONDS=120 pytest -k misbehave


def evenhand(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from serving.cli import app; app()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=60)


def analyze(client: httpx.Client, text: str) -> httpx.Response:
    return client.post(ANALYZE, json={"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}})


def versioned(folder: Path, version: str) -> None:
    """Gives the artifact in `folder` another version, at once as a careful operator would."""
    manifest = json.loads((folder / artifact.MANIFEST).read_text(encoding="utf-8"))
    fresh = folder / "manifest.new"
    fresh.write_text(json.dumps(manifest | {"version": version}), encoding="utf-8")
    fresh.replace(folder / artifact.MANIFEST)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("own") / "model"
    shutil.copytree(artifact.DEFAULT, found)
    versioned(found, "first")
    return found


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[Server]:
    """A server that these tests reload and misuse."""
    with running(folder.parent / "log", model=folder) as server:
        yield server


def metrics(server: Server) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name: labels and value of each."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_what_is_under_way_is_answered_before_it_stops(tmp_path: Path) -> None:
    texts = [f"Comment {number}: the bus was late again, and nobody told us." for number in range(400)]
    body = {"comments": [{"id": text, "text": text} for text in texts]}
    with running(tmp_path / "log") as server, ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.post, f"{server.url}/v1/score", json=body, timeout=60)
        while not metrics(server)["evenhand_batch_size_count"][0][1]:
            time.sleep(0.02)
        os.kill(server.pid, signal.SIGTERM)
        answer = asked.result()
        assert answer.status_code == 200
        assert all("scores" in result for result in answer.json()["results"])
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/healthz")
    # `running` looks at the exit code.


def test_what_has_not_all_come_when_it_stops_is_refused_in_its_dialect(tmp_path: Path) -> None:
    with running(tmp_path / "log", drain_seconds=1) as server, socket.socket() as client:
        client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        client.sendall(b"POST /v1alpha1/comments:analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.5)
        os.kill(server.pid, signal.SIGTERM)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"status":"UNAVAILABLE"' in answer
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("how", ["signal", "command"])
def test_a_new_model_is_loaded_without_a_failed_request(own: Server, folder: Path, how: str) -> None:
    over = threading.Event()
    version = f"by {how}"

    def client(number: int) -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        with httpx.Client(base_url=own.url, timeout=60) as http:
            while not over.is_set():
                answer = analyze(http, f"You clown, number {number} {len(seen)}.")
                seen.append((answer.status_code, answer.json().get("modelVersion", answer.text)))
        return seen

    with ThreadPoolExecutor(6) as pool:
        clients = [pool.submit(client, number) for number in range(6)]
        try:
            versioned(folder, version)
            if how == "signal":
                os.kill(own.pid, signal.SIGHUP)
            else:
                told = evenhand("reload", "--url", own.url)
                assert (told.returncode, told.stdout.split()[1:]) == (0, [*version.split(), "answers", "now"])
            with httpx.Client(base_url=own.url, timeout=60) as http:
                end = time.monotonic() + 30
                while not analyze(http, "And now?").json()["modelVersion"].endswith(version):
                    assert time.monotonic() < end
                    time.sleep(0.02)
        finally:
            over.set()
        seen = [one for client in clients for one in client.result()]
    assert {status for status, _ in seen} == {200}
    ((labels, value),) = metrics(own)["evenhand_model"]
    assert (labels["version"], value) == (version, 1)


def test_a_bad_model_is_refused_by_a_running_server(own: Server, folder: Path) -> None:
    good = (folder / artifact.MANIFEST).read_bytes()
    (folder / artifact.MANIFEST).write_text("{}")
    try:
        told = evenhand("reload", "--url", own.url)
    finally:
        (folder / artifact.MANIFEST).write_bytes(good)
    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1
    assert httpx.get(f"{own.url}/readyz").status_code == 200
    assert ({"outcome": "refused"}, 1) in metrics(own)["evenhand_reloads_total"]


def test_metrics_tell_what_an_operator_asks(own: Server) -> None:
    before = metrics(own)
    with httpx.Client(base_url=own.url) as http:
        for text in ("Counted once.", "Counted once.", ""):
            analyze(http, text)
        http.post("/v1/moderations", json={"input": "Counted once."})
        http.post("/v1/score", json={})
    after = metrics(own)

    def more(name: str, **labels: str) -> float:
        value = {frozenset(found.items()): value for found, value in after[name]}[frozenset(labels.items())]
        return value - sum(old for found, old in before.get(name, []) if found == labels)

    assert more("evenhand_requests_total", dialect="perspective", status="200") == 2
    assert more("evenhand_requests_total", dialect="perspective", status="400") == 1
    assert more("evenhand_requests_total", dialect="openai", status="200") == 1
    assert more("evenhand_requests_total", dialect="native", status="422") == 1
    assert more("evenhand_request_seconds_count", dialect="perspective") == 3
    assert more("evenhand_cache_hits_total") == 2
    assert more("evenhand_cache_misses_total") == 1
    assert more("evenhand_batch_size_count") == more("evenhand_inference_seconds_count") == 1
    assert more("evenhand_queue_seconds_count") == 1
    assert after["evenhand_queue_depth"] == [({}, 0)]
    assert more("evenhand_score_count", attribute="incivility") == 1
    known = httpx.get(f"{own.url}/v1/attributes").json()["attributes"]
    assert {labels["attribute"] for labels, _ in after["evenhand_score_count"]} == {one["name"] for one in known}


def test_scores_are_counted_as_the_librarys_histogram_counts() -> None:
    counted, expected = Metrics(), Histogram("evenhand_score", "", ["attribute"], buckets=TENTHS, registry=None)
    most = 2 * TOGETHER
    rows = [Scores(("a", "b"), (first / most, 1 - first / most)) for first in range(most + 1)]
    for part in (rows[:1], rows[1:20], [Scores(("b", "c"), (0.1, 0.3))], rows[20:-1], rows[-1:]):
        counted.batch([0.0] * len(part), 0.1, part)
        counted.render()  # a look at them changes nothing
        for row in part:
            for name, value in row.items():
                expected.labels(name).observe(value)
    (family,) = expected.collect()
    for sample in family.samples:
        if not sample.name.endswith("_created"):
            seen = counted.registry.get_sample_value(sample.name, sample.labels)
            assert seen == pytest.approx(sample.value), sample


def test_every_metric_is_documented() -> None:
    documented = re.findall(r"^\| `(evenhand_\w+)(?:\{[\w, ]+\})?` \|", OPERATORS.read_text(), re.MULTILINE)
    families = text_string_to_metric_families(Metrics().render().decode())
    names = [f"{family.name}_total" if family.type == "counter" else family.name for family in families]
    assert sorted(documented) == sorted(names)


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        (200, lambda http: analyze(http, "Fine.")),
        (200, lambda http: http.get("/healthz")),
        (200, lambda http: http.get("/metrics")),
        (200, lambda http: http.get("/docs")),
        (200, lambda http: http.get("/openapi.json")),
        (200, lambda http: http.options(ANALYZE, headers=PREFLIGHT)),
        (400, lambda http: analyze(http, "")),
        (400, lambda http: http.post("/v1/score", content=b"{", headers={"content-type": "application/json"})),
        (403, lambda http: http.get("/v1/attributes", headers={"host": "evil.example"})),
        (404, lambda http: http.get("/nothing")),
        (405, lambda http: http.get("/v1/score")),
        (413, lambda http: http.post(ANALYZE, content=b"x" * (2**20 + 1))),
        (422, lambda http: http.post("/v1/score", json={})),
        (431, lambda http: http.get("/healthz", headers={"x-long": "x" * 40_000})),
    ],
)  # fmt: skip
def test_every_answer_has_the_security_headers(
    own: Server, status: int, ask: Callable[[httpx.Client], httpx.Response]
) -> None:
    with httpx.Client(base_url=own.url) as http:
        answer = ask(http)
    assert answer.status_code == status
    for name, value in SECURITY.items():
        assert value in answer.headers[name]
    assert answer.headers["x-request-id"]
    assert answer.headers["cache-control"] in ("no-store", "no-cache")
    assert "server" not in answer.headers


class Panic(BaseException):
    """As libraries in Rust panic."""


@pytest.mark.parametrize("kind", [RuntimeError, Panic])
def test_an_unexpected_failure_has_them_too(
    kind: type[BaseException], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise kind("a comment")

    app = create_app(Settings(database_url=databases.fresh(tmp_path)))
    app.state.service = Failing()
    client = TestClient(app)
    for answer in (client.get("/v1/attributes"), client.post(ANALYZE, content=b"{}")):
        assert answer.status_code == 500
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"] in answer.text
    printed = capsys.readouterr()
    assert kind.__name__ in printed.out + printed.err
    assert "a comment" not in printed.out + printed.err


def test_headers_over_the_limit_are_refused_in_the_dialects_shape(own: Server) -> None:
    with httpx.Client(base_url=own.url, headers={"x-long": "x" * 2**15}) as http:
        refused = http.get("/healthz")
        assert refused.json()["error"]["code"] == "headers_too_large"
        assert analyze(http, "Fine.").json()["error"]["code"] == 431
    assert httpx.get(f"{own.url}/healthz", headers={"x-long": "x" * 2**14}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_local_mode_does_not_listen_to_the_world(host: str, tmp_path: Path) -> None:
    database = databases.fresh(tmp_path)
    refused = evenhand("serve", EVENHAND_HOST=host, EVENHAND_DATABASE_URL=database)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert host in line and "EVENHAND_MODE=keys" in line
    assert not refused.stdout


def test_logs_hold_neither_text_nor_key(tmp_path: Path) -> None:
    secret = "Zanzibar-marmalade-7761"
    log = tmp_path / "log"
    database = databases.fresh(tmp_path)
    store = Store(database)
    store.open()
    _, key = keys.create(store, "tester", ["score"], 0)
    store.close()
    with running(
        log, mode="keys", database_url=database, queue=1, deadline_ms=20, cache=0, log_level="debug"
    ) as server:
        wrong = f"evh_{secret}"
        statuses: set[int] = set()

        def client(number: int) -> None:
            body: Any = {"comment": {"text": f"{secret} {number}"}, "requestedAttributes": {"TOXICITY": {}}}
            with httpx.Client(base_url=server.url, timeout=30) as http:
                for _ in range(3):
                    answers = [
                        http.post(f"{ANALYZE}?key={key}", json=body),
                        http.post(ANALYZE, json=body, headers={"Authorization": f"Bearer {wrong}"}),
                        http.post(f"{ANALYZE}?key={key}", json=body | {"requestedAttributes": {secret: {}}}),
                        http.post("/v1/score", content=secret, headers={"X-API-Key": key}),
                        http.post("/v1/score", json={"comments": secret}, headers={"X-API-Key": key}),
                        http.get(f"/metrics?key={key}"),
                        http.get(f"/nothing?text={secret}"),
                    ]
                    statuses.update(answer.status_code for answer in answers)
                    with suppress(httpx.TimeoutException):  # a client that leaves
                        http.post(f"{ANALYZE}?key={key}", json=body, timeout=0.001)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(client, range(16)))
        written = log.read_text()
        assert statuses >= {200, 400, 403, 404, 422}
        assert statuses & {429, 504}
        assert len(written.splitlines()) > 16 * 3 * 7
        for word in (secret, key, key.removeprefix(keys.PREFIX)):
            assert word not in written


def test_nothing_is_left_of_clients_that_misbehave(tmp_path: Path) -> None:
    with running(tmp_path / "log", cache=100) as server:
        found = Running(int(server.url.rpartition(":")[2]), server.pid)
        finish(soak.soak(found.port, SOAK_SECONDS / 3))  # memory that every service comes to use
        before = soak.settled(found, soak.state(found))
        seen = finish(soak.soak(found.port, SOAK_SECONDS))
        after = soak.settled(found, before)
        assert not seen["hangs"]
        assert len({what.partition(":")[0] for what in seen} - {"hangs"}) == len(soak.KINDS)
        assert after.waiting == 0
        assert after.connections <= before.connections
        assert after.memory <= 1.15 * before.memory
        assert found.ask("Are you well?")[0] == 200
        # A client that left is no failure of the service.
        lines = [json.loads(line) for line in server.logged().splitlines() if line.startswith("{")]
        assert not [line for line in lines if line["level"] == "error"]
        assert "Traceback" not in server.log.read_text()
        assert 499 in {line.get("status") for line in lines}


def test_no_key_and_no_person_of_a_path_is_logged(server: Server) -> None:
    key = "evh_Zanzibar-marmalade_9911"
    with httpx.Client(base_url=server.url) as ask:
        ask.post(f"/v1alpha1/comments:analyze%3Fkey={key}", headers={"X-Request-ID": key})
        ask.get(f"/v1/score/{key}/x")
        ask.delete("/v1/sites/daily/authors/person-Zanzibar-7")
        ask.get("/v1/sites/daily/reporters/person-Zanzibar-7/export")
    log = server.logged()
    assert "Zanzibar" not in log
    assert '"/v1/sites/daily/authors/{id}"' in log
    assert '"/v1/sites/daily/reporters/{id}/export"' in log
