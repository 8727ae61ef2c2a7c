"""`evenhand reload` against services that are not evenhand, and with keys that cannot be sent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner, Result

from serving.cli import app

NOBODY = "http://127.0.0.1:9"


def reload(url: str, key: str | None = None) -> Result:
    return CliRunner().invoke(app, ["reload", "--url", url], env={"EVENHAND_ADMIN_KEY": key, "NO_COLOR": "1"})


@contextmanager
def answering(status: int, content: str) -> Iterator[tuple[str, list[str | None]]]:
    """The address of a service that answers everything alike, and the keys that it was sent."""
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (404, '{"detail":"Not Found"}'),
        (404, '{"error":"Not Found"}'),
        (200, "{}"),
        (200, "[]"),
        (200, "<!doctype html><title>It works!</title>"),
        (502, ""),
    ],
)
def test_another_service_is_told_in_one_line(status: int, content: str) -> None:
    with answering(status, content) as (url, _):
        done = reload(url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"evenhand: {url}: not an evenhand service (status {status})\n"


def test_what_does_not_speak_http_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(1024)

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        done = reload(url)
        thread.join()
    assert (done.exit_code, done.stderr) == (2, f"evenhand: {url}: not an evenhand service (BadStatusLine)\n")


def test_white_space_around_a_key_is_not_sent() -> None:
    with answering(200, json.dumps({"name": "m", "version": "2"})) as (url, keys):
        done = reload(url, " evh_TOPSECRETKEY\r\n")
    assert (done.exit_code, done.stdout) == (0, "m 2 answers now\n")
    assert keys == ["Bearer evh_TOPSECRETKEY"]


@pytest.mark.parametrize("key", ["evh_TOP\rSECRETKEY", "evh_TOP SECRETKEY", "evh_TOPSECRETKEY…"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    done = reload(NOBODY, key)
    assert done.exit_code == 2
    assert "EVENHAND_ADMIN_KEY: expected one key" in done.stderr
    assert "SECRET" not in done.output and len(done.stderr.splitlines()) == 1
