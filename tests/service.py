"""A real `evenhand serve` on a loopback port."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from tests import databases


@dataclass(frozen=True)
class Server:
    """A running `evenhand serve`: where it listens, what it has logged so far, and its process."""

    url: str
    log: Path
    pid: int

    def logged(self) -> str:
        """What the service has logged, all that was answered before included."""
        httpx.get(f"{self.url}/healthz")  # lines are written when a turn of the event loop ends, after its answers
        return self.log.read_text()


# Below the ports that systems give to whoever calls out: none of those can take one before the service does.
PORTS = range(20_000, 30_000)


def free_port() -> int:
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(log: Path, *options: str, **settings: object) -> Iterator[Server]:
    """Starts the service with options of `evenhand serve` and settings by name, waits until it is ready, and stops it
    in the end.

    Its database is a new one unless they say otherwise.
    """
    port = free_port()
    command = [sys.executable, "-c", "from serving.cli import app; app()", "serve", "--port", str(port), *options]
    chosen: dict[str, object] = {
        "max_body_bytes": 2**20,
        "database_url": settings.get("database_url") or databases.fresh(log.parent),
        "deadline_ms": 60_000,  # for busy machines
    }
    chosen |= settings
    environment = os.environ | {f"EVENHAND_{name.upper()}": str(value) for name, value in chosen.items()}
    with log.open("wb") as output:
        # A demo keeps a file of its own in the folder it is started in, if not beside a SQLite database.
        folder = log.parent if "--demo" in options else None
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.ConnectError:
                time.sleep(0.1)
        else:
            pytest.fail(f"the server did not become ready:\n{log.read_text()}")
        yield Server(url, log, process.pid)
    finally:
        killed = process.poll() == -signal.SIGKILL  # by the test itself
        process.terminate()
        # The server shuts down in order, then ends by the signal that asked it to.
        assert process.wait(timeout=60) in (0, -signal.SIGTERM) or killed, log.read_text()
