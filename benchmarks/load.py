"""A lean load generator: raw HTTP/1.1 over kept connections, so that it takes little of the server's processor.

    python benchmarks/load.py --port 8000 --clients 64 --seconds 10 < bodies.jsonl        # closed loop
    python benchmarks/load.py --port 8000 --rate 100 --seconds 10 < bodies.jsonl          # open loop, Poisson

Each line of standard input is the JSON body of one request. One JSON object comes out: what was answered, when, and
the processor time that the generator itself used. Open-loop latency counts from the moment that a request was due.

The generator stands for machines elsewhere. On the service's cores it would wait its turn, and what it sends and reads
late would count as the service's latency; so it asks the system for real-time priority, which root may have, and says
whether it has it. `--ordinary` does without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import cast

PATH = "/v1alpha1/comments:analyze"
TIME_OUT = 15.0
NO_ANSWER = 0  # in place of a status: the time was out or the connection lost


@dataclass
class Report:
    """What one run saw: `latencies` in seconds of the answers that were 200, statuses with their counts."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    connections: int = 0
    processor_seconds: float = 0.0
    real_time: bool = False


class Connection(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.asked = 0.0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = cast(asyncio.Transport, transport)  # not a subclass in uvloop

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        if self.timer:
            self.timer.cancel()
        self.transport = None
        self._done(NO_ANSWER)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self.buffer[:head].lower()
        at = lower.find(b"content-length:") + len(b"content-length:")
        if len(self.buffer) >= head + 4 + int(lower[at : lower.find(b"\r\n", at) if b"\r\n" in lower[at:] else head]):
            self.buffer = b""
            self._done(int(lower[9:12]))

    def _done(self, status: int) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_result(status)

    async def ask(self, request: bytes) -> int:
        """Status of the answer."""
        if self.transport is None:
            return NO_ANSWER
        self.asked = time.perf_counter()
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer

    def close(self) -> None:
        """Ends it."""
        if self.transport:
            self.transport.close()

    def watch(self) -> None:
        """Gives up on a request whose time is out, now and again: a timer for each request would cost as much as the
        request.
        """
        if self.transport and self.answer and not self.answer.done() and time.perf_counter() > self.asked + TIME_OUT:
            self.transport.abort()
        else:
            self.timer = asyncio.get_running_loop().call_later(TIME_OUT / 10, self.watch)


def requests(bodies: list[str], port: int) -> Iterator[bytes]:
    """The bodies as requests, again from the first when all were sent."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return cycle([f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode() for body in bodies])


async def connected(port: int) -> Connection:
    """A new connection."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    connection.watch()
    return connection


async def closed(port: int, clients: int, seconds: float, warm: float, stream: Iterator[bytes]) -> Report:
    """`clients` that each send the next request when the last is answered; counts after `warm` seconds."""
    report, counted = Report(connections=clients), Counter[int]()
    start = time.perf_counter() + warm
    end = start + seconds

    async def client() -> None:
        connection = await connected(port)
        while (began := time.perf_counter()) < end:
            status = await connection.ask(next(stream))
            now = time.perf_counter()
            if start <= now <= end:
                counted[status] += 1
                if status == 200:
                    report.latencies.append(now - began)
            if status == NO_ANSWER:
                connection = await connected(port)

    await asyncio.gather(*(client() for _ in range(clients)))
    report.seconds, report.statuses = seconds, dict(counted)
    return report


async def opened(
    port: int,
    rate: float,
    seconds: float,
    stream: Iterator[bytes],
    most: int = 10_000,
    seed: int = 0,
    kept: int = 0,
    warm: float = 0.0,
    told: Callable[[bytes, int], object] = lambda request, status: None,
) -> Report:
    """Requests at random moments, `rate` a second, whether or not earlier ones are answered; while `most` are not, a
    request waits after its moment, so that files to open do not run out. The moments follow from `seed`. `kept`
    connections are there from the start, as a comment system has them; more are made when they do not suffice. Counts
    what is due after `warm` seconds. `told` hears each request and its status.
    """
    report, counted = Report(seconds=seconds, connections=kept), Counter[int]()
    idle = deque([await connected(port) for _ in range(kept)])
    chance, room = random.Random(seed), asyncio.Semaphore(most)

    async def client(due: float) -> None:
        async with room:
            if idle:
                connection = idle.pop()
            else:
                connection = await connected(port)
                report.connections += 1
            request = next(stream)
            status = await connection.ask(request)
            if status != NO_ANSWER:
                idle.append(connection)
        if due >= start:
            counted[status] += 1
            if status == 200:
                report.latencies.append(time.perf_counter() - due)
        told(request, status)

    async with asyncio.TaskGroup() as tasks:
        due = time.perf_counter()
        start = due + warm
        while due < start + seconds:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.create_task(client(due))
            due += chance.expovariate(rate)
    for connection in idle:
        connection.close()
    await asyncio.sleep(0)  # in which they are closed
    report.statuses = dict(counted)
    return report


def urgent() -> bool:
    """Asks for real-time priority for this process; whether it has it now."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    except (AttributeError, OSError):  # not Linux, or not allowed
        return False
    return True


def main() -> None:
    """Reads bodies, loads, and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=64, help="a closed loop's clients, an open loop's connections")
    parser.add_argument("--rate", type=float, help="open loop with so many requests a second")
    parser.add_argument("--seed", type=int, default=0, help="of an open loop's moments")
    parser.add_argument("--warm", type=float, default=1, help="seconds at first that do not count")
    parser.add_argument("--ordinary", action="store_true", help="do without real-time priority")
    options = parser.parse_args()
    real_time = not options.ordinary and urgent()
    stream = requests([line for line in sys.stdin.read().splitlines() if line], options.port)
    if options.rate:
        run = opened(
            options.port,
            options.rate,
            options.seconds,
            stream,
            seed=options.seed,
            kept=options.clients,
            warm=options.warm,
        )
    else:
        run = closed(options.port, options.clients, options.seconds, options.warm, stream)
    try:
        import uvloop

        report = uvloop.run(run)
    except ImportError:
        report = asyncio.run(run)
    used = resource.getrusage(resource.RUSAGE_SELF)
    report.processor_seconds = used.ru_utime + used.ru_stime
    report.real_time = real_time
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
