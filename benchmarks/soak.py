"""Clients that misbehave, at random and for as long as wanted, and what the service is like afterwards.

    python benchmarks/soak.py --minutes 3 [--clients 24]

Among clients that behave, some leave before the answer, stop in the middle of a body, read slowly, reset the
connection, or speak no HTTP. Afterwards nothing may be left of them: no waiting text, no open connection, no memory.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import asyncio
import json
import random
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass

from benchmarks.http import PATH, Running, body, comments, service

KINDS = {"behave": 6, "leave": 3, "stop in the body": 2, "read slowly": 1, "reset": 2, "speak no HTTP": 1}
PATIENCE = 20.0


@dataclass(frozen=True)
class State:
    """What a service holds: texts that wait, clients' connections, memory in MiB."""

    waiting: float
    connections: int
    memory: float


async def soak(port: int, seconds: float, clients: int = 24, seed: int = 7) -> Counter[str]:
    """What each kind of client saw, and how often. Raises nothing: `hangs` counts answers that did not come."""
    seen: Counter[str] = Counter()
    chance, texts, end = random.Random(seed), comments(512), time.monotonic() + seconds

    async def client() -> None:
        while time.monotonic() < end:
            (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
            try:
                async with asyncio.timeout(PATIENCE):
                    seen[f"{kind}: {await visit(port, kind, chance, texts)}"] += 1
            except TimeoutError:
                seen["hangs"] += 1
            except OSError:
                seen[f"{kind}: refused"] += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    return seen


async def visit(port: int, kind: str, chance: random.Random, texts: list[str]) -> str:
    """One visit; the status of the answer, or what the client did instead of reading it."""
    many = kind == "read slowly"
    if many:
        path = "/v1/score"
        sent = json.dumps(
            {"comments": [{"id": str(i), "text": text} for i, text in enumerate(chance.sample(texts, 60))]}
        )
    else:
        path, sent = PATH, body(f"{chance.choice(texts)} {chance.random()}")
    content = sent.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    head += "Connection: close\r\n" if many else ""
    request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
    plug = socket.socket()
    if many:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if kind == "reset":
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plug.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
    except OSError:
        plug.close()
        raise
    reader, writer = await asyncio.open_connection(sock=plug, limit=1024 if many else 2**16)
    try:
        if kind == "speak no HTTP":
            request = chance.randbytes(200)
        elif kind == "stop in the body":
            request = request[: len(request) - len(content) // 2]
        writer.write(request)
        await writer.drain()
        if kind in ("leave", "reset", "stop in the body"):
            await asyncio.sleep(chance.uniform(0, 0.1))
            return "left"
        status = (await reader.read(12))[9:].decode("latin-1")
        while many and await reader.read(512):
            await asyncio.sleep(0.002)
            if reader.at_eof() or chance.random() < 0.01:
                return status
        return status
    finally:
        writer.transport.abort() if kind == "reset" else writer.close()


def state(running: Running) -> State:
    """What the service holds now; the connection that asks may be one of its clients'."""
    waiting = next(line for line in running.get("/metrics").splitlines() if line.startswith("evenhand_queue_depth "))
    return State(float(waiting.split()[1]), _connections(running.pid, running.port), running.resident())


def _connections(pid: int, port: int) -> int:
    """Those to the port that the process holds open: not its own to a database, which a pool may open at any time."""
    held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    listening = "0A"  # include/net/tcp_states.h; the fields are described in proc(5)
    return sum(
        int(row[1].rpartition(":")[2], 16) == port and row[3] != listening and f"socket:[{row[9]}]" in held
        for row in rows
    )


def settled(running: Running, before: State, seconds: float = 10.0) -> State:
    """The state when no text waits and no connection is left over; the last one seen if that does not come."""
    end = time.monotonic() + seconds
    while (now := state(running)).waiting or now.connections > before.connections:
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return now


def main() -> None:
    """Prints what was seen; the exit code is 1 if something was left or an answer did not come."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--clients", type=int, default=24)
    options = parser.parse_args()
    with service() as running:
        asyncio.run(soak(running.port, 5, options.clients))  # memory that every service comes to use
        before = settled(running, state(running))
        seen = asyncio.run(soak(running.port, options.minutes * 60, options.clients))
        after = settled(running, before)
        status, took = running.ask("Are you well?")
    for what, times in sorted(seen.items()):
        print(f"{times:>8}  {what}")
    print(f"before {before}\nafter  {after}\nthen {status} in {took * 1000:.1f} ms")
    well = status == 200 and not seen["hangs"] and not after.waiting and after.connections <= before.connections
    sys.exit(not (well and after.memory <= 1.1 * before.memory))


if __name__ == "__main__":
    main()
