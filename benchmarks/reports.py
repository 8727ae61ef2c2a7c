"""Readers' reports at the rate of a bad minute, while a moderator reads the queue: how long they take, none lost.

    python benchmarks/reports.py                          # 200 reports/s for a minute, SQLite in a temporary folder
    python benchmarks/reports.py --rate 400 --seconds 20 --database-url postgresql+psycopg://…

Starts the service on a database of its own, with 2,000 comments that are reported by a reader each time, at random
moments (Poisson). Meanwhile a moderator reads the queue twice a second, so that it is ranked again and again. Then the
service is stopped and the reports in the database are counted. Latency counts from the moment that a report was due.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.error import URLError

from sqlalchemy import func, select

from benchmarks.load import NO_ANSWER, Report, connected, opened
from serving.moderation import comments, sites
from serving.moderation.comments import Given
from serving.moderation.sites import SiteSettings
from serving.moderation.submissions import Submission
from serving.moderation.tables import Case, Reporter
from serving.moderation.tables import Report as Filed
from serving.store import Store, now

SITE = "benchmark"
COMMENTS = 2000
REASONS = ("offensive", "abusive", "hateful", "spam", "off_topic")
EVERY = 0.5  # seconds between two looks at the queue
MOST = 500  # connections at once
SEED = 20  # of the moments: docs/performance.md has the figures of these


@dataclass
class Seen:
    """What the readers and the moderator saw: `answers`, the status of each reader's report; `pages`, the statuses of
    looks at the queue with their counts; `looks`, seconds of those that were 200.
    """

    report: Report = field(default_factory=Report)
    answers: dict[str, int] = field(default_factory=dict)
    pages: Counter[int] = field(default_factory=Counter)
    looks: list[float] = field(default_factory=list)


def fill(store: Store) -> None:
    """Makes the site and its comments."""
    chance = random.Random(4)
    with store.writing() as session:
        site = sites.put(session, SITE, "Benchmark", SiteSettings(reports_per_hour=100_000), "command")
        for number in range(COMMENTS):
            submission = Submission.model_validate(
                {"text": f"Comment {number}", "author": {"id": f"a{number % 500}"}, "story": {"id": f"s{number % 50}"}}
            )
            scores = {name: chance.random() / 2 for name in ("report_worthy", "toxicity", "insult", "identity_attack")}
            comments.submit(session, site, f"c{number}", submission, Given("benchmark 1", scores), now())


def stream(port: int, readers: int) -> Iterator[bytes]:
    """Reports as requests, no two of the same reader and comment."""
    chance = random.Random(5)
    for number in range(10**9):
        body = json.dumps(
            {
                "site": SITE,
                # Squared: few comments are reported by many, and many by few.
                "comment": f"c{int(COMMENTS * chance.random() ** 2)}",
                "reporter": {"id": f"r{number % readers}-{number // readers}"},
                "reason": chance.choice(REASONS),
                "details": "It insults people who are not even there.",
            }
        )
        head = f"POST /v1/reports HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def moderate(port: int, seen: Seen) -> None:
    """Reads the first page of the queue again and again, until cancelled."""
    connection = await connected(port)
    request = f"GET /v1/queue?limit=50 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    try:
        while True:
            began = time.perf_counter()
            status = await connection.ask(request)
            seen.pages[status] += 1
            if status == 200:
                seen.looks.append(time.perf_counter() - began)
            elif status == NO_ANSWER:
                connection = await connected(port)
            await asyncio.sleep(EVERY)
    finally:
        connection.close()


async def load(port: int, rate: float, seconds: float) -> Seen:
    """What the readers and the moderator saw."""
    seen = Seen()

    def told(request: bytes, status: int) -> None:
        seen.answers[json.loads(request.partition(b"\r\n\r\n")[2])["reporter"]["id"]] = status

    moderator = asyncio.create_task(moderate(port, seen))
    seen.report = await opened(port, rate, seconds, stream(port, 1_000_000), MOST, SEED, told=told)
    if moderator.done():
        moderator.result()
    moderator.cancel()
    await asyncio.gather(moderator, return_exceptions=True)
    return seen


def kept(store: Store) -> Counter[str]:
    """How many reports the database holds of each reader."""
    with store.session() as session:
        return Counter(session.scalars(select(Reporter.external_id).join(Filed, Filed.reporter_id == Reporter.id)))


def lost(seen: Seen, found: Counter[str]) -> list[str]:
    """Readers whose report was acknowledged and is not in the database."""
    return [reader for reader, status in seen.answers.items() if status == 200 and reader not in found]


@contextmanager
def served(url: str) -> Iterator[int]:
    """The service on a database; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-c", "from serving.cli import app; app()", "serve", "--port", str(port)]
    environment = os.environ | {"EVENHAND_DATABASE_URL": url, "EVENHAND_LOG_LEVEL": "warning"}
    process = subprocess.Popen(command, env=environment)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        break
            except URLError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()


def milliseconds(values: list[float]) -> str:
    """Quantiles."""
    cuts = statistics.quantiles(values, n=1000, method="inclusive")  # of a few pages too, none beyond the most
    shown = {"p50": cuts[499], "p95": cuts[949], "p99": cuts[989], "most": max(values)}
    return ", ".join(f"{name} {value * 1000:.0f}" for name, value in shown.items())


def main() -> None:
    """Fills, loads, counts and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database-url", help="an empty database; a new SQLite file if left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(options.database_url or f"sqlite:///{Path(folder)}/reports.sqlite3")
        store.open()
        fill(store)
        with served(store.engine.url.render_as_string(hide_password=False)) as port:
            seen = asyncio.run(load(port, options.rate, options.seconds))
        found = kept(store)
        with store.session() as session:
            waiting = session.scalar(select(func.count()).select_from(Case)) or 0
        store.close()
    report, gone = seen.report, lost(seen, found)
    sent = sum(report.statuses.values())
    print(f"{store.engine.dialect.name}: {sent} reports in {options.seconds:.0f} s, {sent / options.seconds:.0f}/s")
    print(
        f"answered by status: {report.statuses}; in the database: {found.total()}; lost: {len(gone)}; cases: {waiting}"
    )
    print(f"a report, ms: {milliseconds(report.latencies)}; {report.connections} connections")
    print(f"a page of the queue, ranked anew, ms: {milliseconds(seen.looks)}; by status: {dict(seen.pages)}")
    if gone or report.statuses.get(200) != sent or seen.pages[200] != seen.pages.total():
        raise SystemExit("reports were lost or refused, or the queue was not shown")


if __name__ == "__main__":
    main()
