"""Databases for tests: each new and empty, of the kind that `pytest --database` names.

PostgreSQL is a real server of the test run's own: started when the first test asks for it, on a socket in a
folder of its own, and stopped at the end.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import Literal

Kind = Literal["sqlite", "postgresql"]
kind: Kind = "sqlite"  # set by conftest.py
# Tests kill the service, never PostgreSQL itself, so its files need not reach the disk.
OPTIONS = "-c fsync=off -c full_page_writes=off -c max_connections=200 -c listen_addresses=''"
_numbers = count(1)


def fresh(folder: Path) -> str:
    """The URL of a new, empty database; SQLite's file lies in the folder."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/{os.getpid()}-{next(_numbers)}.sqlite3"
    home, name = _server(), f"test_{os.getpid()}_{next(_numbers)}"
    _run("psql", "-h", str(home), "-d", "postgres", "-q", "-c", f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://{_user()}@/{name}?host={home}"


def content(url: str) -> bytes:
    """All that a database holds, as its files or its dump have it."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        files = [str(file) for file in path.parent.glob(f"{path.name}*")]
        # Another process reads: to close a file drops all of a process's locks on it, SQLite's too, and what is then
        # written is lost (https://www.sqlite.org/howtocorrupt.html, 2.2).
        return subprocess.run(["cat", *files], capture_output=True, check=True).stdout
    name = url.split("@/")[1].split("?")[0]
    return _run("pg_dump", "-h", str(_server()), "-d", name, "--inserts").encode()


@cache
def _server() -> Path:
    """The folder of the running server's socket."""
    home = Path(tempfile.mkdtemp(prefix="evenhand-pg-", dir="/tmp"))  # a socket's path must be short
    if os.geteuid() == 0:
        shutil.chown(home, _user())
    _run("initdb", "-D", f"{home}/data", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    _run("pg_ctl", "-D", f"{home}/data", "-w", "-l", f"{home}/log", "-o", f"-k {home} {OPTIONS}", "start")
    atexit.register(_stop, home)
    return home


def _stop(home: Path) -> None:
    _run("pg_ctl", "-D", f"{home}/data", "-w", "-m", "immediate", "stop")
    shutil.rmtree(home)


def _user() -> str:
    # PostgreSQL refuses to run as root; Debian's package brings this user.
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _run(program: str, *arguments: str) -> str:
    user = _user() if os.geteuid() == 0 else None
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    command = [str(_programs() / program), *arguments]
    done = subprocess.run(command, user=user, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
    return done.stdout


@cache
def _programs() -> Path:
    """Where Debian puts what is not on the PATH; else the PATH's own."""
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)):
        return installed[-1]
    found = shutil.which("pg_ctl")
    assert found, "PostgreSQL is not installed: sudo apt-get install postgresql"
    return Path(found).resolve().parent
