from __future__ import annotations

import asyncio
import statistics
import time
from itertools import repeat

from benchmarks.load import Report, opened

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PAUSE = 1.0  # before the server answers its first request


async def loaded(seed: int, *, kept: int = 0, warm: float = 0.0) -> tuple[Report, list[float], int]:
    """200 requests a second for half a second: the report, when they came, and the connections before the first."""
    came: list[float] = []
    served: list[asyncio.Event] = []
    before = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal before
        served.append(ended := asyncio.Event())
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n{}")
            came.append(time.perf_counter())
            if len(came) == 1:
                before = len(served)
                await asyncio.sleep(PAUSE)
            writer.write(ANSWER)
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    request = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    report = await opened(port, 200, 0.5, repeat(request), seed=seed, kept=kept, warm=warm)
    for ended in served:
        await ended.wait()
    server.close()
    await server.wait_closed()
    return report, [moment - came[0] for moment in came], before


def test_moments_follow_from_the_seed() -> None:
    (one, first, _), (_, again, _), (other, second, _) = (asyncio.run(loaded(seed)) for seed in (1, 1, 2))
    assert one.statuses == {200: len(first)}
    assert len(one.latencies) == len(first) == len(again)
    assert statistics.median(abs(a - b) for a, b in zip(first, again, strict=True)) < 0.05
    assert other.statuses == {200: len(second)}
    assert second != first


def test_connections_are_there_from_the_start() -> None:
    report, _, before = asyncio.run(loaded(1, kept=10))
    assert before == 10
    assert report.connections == 10


def test_what_is_due_while_it_is_warming_up_does_not_count() -> None:
    report, came, _ = asyncio.run(loaded(1, warm=0.4))
    assert 0 < report.statuses[200] == len(report.latencies) < len(came)
    assert max(report.latencies) < PAUSE  # the slow one is the first
