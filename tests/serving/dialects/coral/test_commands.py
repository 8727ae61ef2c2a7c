from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import joi
from tests.serving.dialects.coral.calls import FOREIGN, SECRET, Service


def evenhand(service: Service, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EVENHAND_CORAL": str(service.sites), "EVENHAND_MODE": "keys", **more}
    command = [sys.executable, "-c", "from serving.cli import app; app()", "coral", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_the_file_of_sites_can_be_checked(service: Service, tmp_path: Path) -> None:
    run = evenhand(service, "check")
    assert run.returncode == 0, run.stderr
    assert "hold: 2 secrets, HTML, answers within 9000 ms\n  1. insult at least 0: hold\n" in run.stdout
    assert SECRET not in run.stdout
    (tmp_path / "bad.toml").write_text("[sites.a]\n")
    bad = evenhand(service, "check", "--file", str(tmp_path / "bad.toml"))
    assert (bad.returncode, len(bad.stderr.splitlines())) == (2, 1)
    assert "site 'a'" in bad.stderr


def test_a_comment_can_be_sent_as_coral_would(service: Service) -> None:
    run = evenhand(service, "try", "--site", "reject", "--url", service.server.url)
    assert run.returncode == 0, run.stderr
    first, _, rest = run.stdout.partition("\n")
    assert first.startswith("200 in ")
    assert joi.accepted(json.loads(rest))["status"] == "REJECTED"
    assert "no opinion" in evenhand(service, "try", "--site", "accept", "--url", service.server.url).stdout
    refused = evenhand(service, "try", "--url", service.server.url, CORAL_SECRETS=FOREIGN)
    assert (refused.returncode, "401" in refused.stderr) == (2, True)
    nobody = evenhand(service, "try", "--url", "http://127.0.0.1:9")
    assert (nobody.returncode, "Coral would go on" in nobody.stderr) == (2, True)


@contextmanager
def answering(*pieces: bytes, pause: float) -> Iterator[str]:
    """The address of something that answers one call in pieces."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                connection.shutdown(socket.SHUT_WR)
                with suppress(ConnectionError):
                    while connection.recv(65536):  # closed with something unread, it would be reset
                        pass

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("pieces", "pause", "told"),
    [
        ([b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n", b"\r\n", b"{}"], 0.8, "no answer in 2000 ms, but in "),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9\r\nContent-Length: 0\r\n\r\n"], 0, "302, so that Coral"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], 0, "not an evenhand service"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"], 0, "not an evenhand service"),
    ],
)
def test_what_coral_would_not_take_is_told_in_one_line(
    service: Service, tmp_path: Path, pieces: list[bytes], pause: float, told: str
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(f'[default]\nsecrets = ["{SECRET}"]\ntimeout_ms = 2000\n')
    with answering(*pieces, pause=pause) as url:
        done = evenhand(service, "try", "--url", url, "--file", str(sites))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert told in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "file:///etc/hostname", "http://a b/", "http://127.0.0.1:x"])
def test_what_is_no_address_is_told_in_one_line(service: Service, url: str) -> None:
    done = evenhand(service, "try", "--url", url)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
