"""The HTTP API under load, as ratios to the raw scorer of the same run. Loopback only; about a minute.

    python benchmarks/http.py [--json figures.json]

Starts `evenhand serve` with a database of its own and without the cache, so that each request is an inference. The
scorer is measured while the service is idle, before each round of loads, since machines that are shared change their
speed within a minute; with batches on all cores at once, the faster way for it. Each round of twice capacity is
followed by one request, compared with the same request to the idle service. In an open loop requests come at random
moments, others in each round and run: by chance a sequence crowds more than most, and would do so each time. `--seed`
repeats the moments of the run that printed it. The load comes from another process (benchmarks/load.py) on the same
cores, with real-time priority if the system grants it; its share of the processor is in the table. EVENHAND_… settings
reach the service.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where this file would hide the library's http
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from socket import socket
from typing import Any

from labels import taxonomy
from serving.scorer import Scorer

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples" / "comments.jsonl"
PATH = "/v1alpha1/comments:analyze"
COUNT = 4096
SENTENCES = (1, 2, 2, 1, 2)  # examples that one text is made of: its length in tokens is that of a usual comment
CLOCK = os.sysconf("SC_CLK_TCK")

ROUNDS = 4  # of the raw scorer and of each load
USUAL = 15  # answers to one comment, of which the median is what it usually takes
CLOSED, HALF_P50, HALF_P99, GROWTH, RECOVERED = 0.8, 3.0, 10.0, 1.1, 3.0


@dataclass(frozen=True)
class Bar:
    """One figure and what it must be."""

    what: str
    figure: float
    bar: str
    met: bool


def comments(count: int = COUNT) -> list[str]:
    """Ordinary comments, no two the same."""
    pieces = [text for a in taxonomy.load().attributes for text in (*a.present, *a.absent)]
    pieces += [json.loads(line)["text"] for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    stream, sizes = cycle(pieces), cycle(SENTENCES)
    return [" ".join([*(next(stream) for _ in range(next(sizes))), f"({number})"]) for number in range(count)]


def body(text: str) -> str:
    """A single-comment request as Perspective's clients send it."""
    return json.dumps({"comment": {"text": text}, "languages": ["en"], "requestedAttributes": {"TOXICITY": {}}})


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def stolen() -> float:
    """Seconds that this machine's cores waited for the one it is a guest of (Linux: steal time); 0 if it is none."""
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / CLOCK


def raw(scorer: Scorer, texts: Sequence[str]) -> tuple[float, list[float]]:
    """Texts a second of many, and seconds of each single text."""
    many, single = texts[:1024], texts[:100]
    scorer.score(many[:256])
    began = time.perf_counter()
    scorer.score(many)
    rate = len(many) / (time.perf_counter() - began)
    seconds = []
    for text in single:
        began = time.perf_counter()
        scorer.score([text])
        seconds.append(time.perf_counter() - began)
    return rate, seconds


def merged(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The reports of several rounds as one."""
    return {
        "seconds": sum(report["seconds"] for report in reports),
        "latencies": [latency for report in reports for latency in report["latencies"]],
        "statuses": dict(sum((Counter(report["statuses"]) for report in reports), Counter[str]())),
        "connections": max(report["connections"] for report in reports),
        "memory": [size for report in reports for size in report["memory"]],
        "stolen_seconds": sum(report["stolen_seconds"] for report in reports),
        "real_time": all(report["real_time"] for report in reports),
        **{key: statistics.mean(report[key] for report in reports) for key in ("server_share", "client_share")},
    }


@dataclass(frozen=True)
class Running:
    """A service under measurement."""

    port: int
    pid: int
    generator: tuple[str, ...] = ()  # further arguments of the load generator

    def ask(self, text: str) -> tuple[int, float]:
        """Status and seconds of one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.connect()
        began = time.perf_counter()
        connection.request("POST", PATH, body(text), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - began
        connection.close()
        return answer.status, took

    def get(self, path: str) -> str:
        """The body that a path answers with."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    def resident(self) -> float:
        """Resident memory in MiB (Linux)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    def processor(self) -> float:
        """Processor seconds used so far (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK

    def load(self, bodies: Sequence[str], **options: float) -> dict[str, Any]:
        """Runs the load generator; its report, with the service's processor seconds and memory."""
        command = [sys.executable, "-m", "benchmarks.load", "--port", str(self.port), *self.generator]
        command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
        before, lost, memory = self.processor(), stolen(), [self.resident()]
        began = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            ended = threading.Event()

            def watch() -> None:
                while not ended.wait(0.2):
                    memory.append(self.resident())

            watcher = threading.Thread(target=watch)
            watcher.start()
            output, _ = process.communicate("\n".join(bodies).encode())
            ended.set()
            watcher.join()
        report: dict[str, Any] = json.loads(output)
        took = time.perf_counter() - began
        report["server_share"] = (self.processor() - before) / took
        report["client_share"] = report["processor_seconds"] / took
        report["stolen_seconds"] = stolen() - lost
        report["memory"] = memory
        return report


@contextmanager
def service(*generator: str) -> Iterator[Running]:
    """`evenhand serve` on a free port, ready."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="evenhand-bench-") as folder:
        log = Path(folder) / "log"
        settings = {"EVENHAND_CACHE": "0", "EVENHAND_DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3"}
        command = [sys.executable, "-c", "from serving.cli import app; app()", "serve", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env={**os.environ, **settings}, cwd=ROOT, stdout=output, stderr=output)
        try:
            running = Running(port, process.pid, generator)
            for _ in range(300):
                try:
                    if running.ask("Ready?")[0] == 200:
                        break
                except (OSError, HTTPException):
                    pass
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.1)
            yield running
        finally:
            process.terminate()
            process.wait(30)


def measure(seconds: float, clients: int, seed: int, *generator: str) -> tuple[list[Bar], dict[str, Any]]:
    """All figures: those with a bar, and the records behind them."""
    texts = comments()
    scorer = Scorer.load()
    mean = statistics.mean(len(scorer.token_ids(text)) for text in texts)
    bodies = [body(text) for text in texts]
    rates: list[float] = []
    singles: list[float] = []
    closed_rounds, half_rounds = [], []
    each = seconds / ROUNDS
    with service(*generator) as running:
        for number in range(ROUNDS):
            of_many, of_single = raw(scorer, texts)
            rates.append(of_many)
            singles += of_single
            closed_rounds.append(running.load(bodies, clients=clients, seconds=each))
            capacity = len(closed_rounds[-1]["latencies"]) / each
            half_rounds.append(
                running.load(bodies, clients=clients, rate=capacity / 2, seconds=each, seed=seed + number)
            )
        closed, half = merged(closed_rounds), merged(half_rounds)
        capacity = len(closed["latencies"]) / closed["seconds"]
        idle = [running.ask(texts[0])[1] for _ in range(USUAL)]
        double_rounds, after = [], []
        for number in range(ROUNDS, 2 * ROUNDS):
            double_rounds.append(
                running.load(bodies, clients=clients, rate=capacity * 2, seconds=each, seed=seed + number)
            )
            after.append(running.ask(texts[0]))
        double = merged(double_rounds)
    rate, single = statistics.median(rates), statistics.median(singles)

    def odd(report: dict[str, Any], *fine: str) -> int:
        return sum(count for status, count in report["statuses"].items() if status not in fine)

    p50, p99 = (quantile(half["latencies"], share) / single for share in (0.5, 0.99))
    started, most = double["memory"][0], max(double["memory"])
    normal = statistics.median(idle)
    recovered = statistics.median(took for _, took in after) / normal
    bars = [
        Bar("closed loop: share of the raw scorer's throughput", capacity / rate, f">= {CLOSED}",
            capacity / rate >= CLOSED),
        Bar("closed loop: answers that are not 200", odd(closed, "200"), "0", not odd(closed, "200")),
        Bar("half of capacity: p50 / raw p50 of one comment", p50, f"<= {HALF_P50}", p50 <= HALF_P50),
        Bar("half of capacity: p99 / raw p50 of one comment", p99, f"<= {HALF_P99}", p99 <= HALF_P99),
        Bar("half of capacity: answers that are not 200", odd(half, "200"), "0", not odd(half, "200")),
        Bar("twice capacity: answers that are not 200 or 429", odd(double, "200", "429"), "0",
            not odd(double, "200", "429")),
        Bar("twice capacity: most memory / memory before", most / started, f"<= {GROWTH}", most / started <= GROWTH),
        Bar("after it: first answer / usual answer", recovered, f"<= {RECOVERED}",
            recovered <= RECOVERED and all(status == 200 for status, _ in after)),
    ]  # fmt: skip
    record = {
        "tokens_mean": mean,
        "clients": clients,
        "seed": seed,
        "generator_real_time": closed["real_time"],
        "settings": {name: value for name, value in os.environ.items() if name.startswith("EVENHAND_")},
        "raw_texts_a_second": rate,
        "raw_rounds": rates,
        "raw_single_ms": single * 1000,
        "idle_ms": normal * 1000,
        "after_ms": [took * 1000 for _, took in after],
        "phases": {
            name: {
                "answers_a_second": len(report["latencies"]) / report["seconds"],
                "p50_ms": quantile(report["latencies"], 0.5) * 1000,
                "p99_ms": quantile(report["latencies"], 0.99) * 1000,
                **{
                    key: report[key]
                    for key in ("statuses", "connections", "server_share", "client_share", "stolen_seconds")
                },
                "memory_mib": [min(report["memory"]), max(report["memory"]), report["memory"][-1]],
            }
            for name, report in (("closed", closed), ("half", half), ("double", double))
        },
        "bars": [vars(bar) for bar in bars],
    }
    return bars, record


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10, help="length of each load, all rounds together")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, help="of the open loops' moments; default: another in each run")
    parser.add_argument("--ordinary", action="store_true", help="no real-time priority for the load generator")
    parser.add_argument("--json", type=Path, help="write the record of the run there")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    bars, record = measure(options.seconds, options.clients, seed, *(["--ordinary"] if options.ordinary else []))
    print(f"raw scorer: {record['raw_texts_a_second']:.0f} comments/s, one comment {record['raw_single_ms']:.2f} ms;")
    print(f"{COUNT} texts of {record['tokens_mean']:.1f} tokens on average; one request {record['idle_ms']:.2f} ms;")
    print(f"moments of seed {seed}\n")
    columns = {
        "200/s": ("answers_a_second", 0), "p50 ms": ("p50_ms", 1), "p99 ms": ("p99_ms", 1),
        "server": ("server_share", 2), "client": ("client_share", 2), "stolen": ("stolen_seconds", 2),
    }  # fmt: skip
    print(f"{'load':<8}{''.join(f'{name:>8}' for name in columns)}{'MiB':>12}  statuses")
    for name, phase in record["phases"].items():
        figures = "".join(f"{phase[key]:>8.{digits}f}" for key, digits in columns.values())
        low, high, _ = phase["memory_mib"]
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(phase["statuses"].items()))
        print(f"{name:<8}{figures}{f'{low:.0f}-{high:.0f}':>12}  {statuses}")
    priority = "real-time" if record["generator_real_time"] else "ordinary"
    print(f"(server, client: cores used; the client has {priority} priority; stolen: seconds that the host took)\n")
    for bar in bars:
        print(f"{'pass' if bar.met else 'MISS'}  {bar.what:<52}{bar.figure:>8.2f}  bar {bar.bar}")
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
