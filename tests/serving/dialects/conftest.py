"""Servers with other settings than the common one, and API keys made as an operator makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import databases
from tests.service import Server, running


@dataclass(frozen=True)
class Keys:
    """A server that asks for keys, and `evenhand keys` on its database."""

    server: Server
    database: str

    def command(self, *arguments: str) -> tuple[str, str]:
        """Standard output and standard error of `evenhand keys …`."""
        environment = os.environ | {"EVENHAND_DATABASE_URL": self.database}
        code = "from serving.cli import app; app()"
        run = subprocess.run(
            [sys.executable, "-c", code, "keys", *arguments], capture_output=True, text=True, env=environment
        )
        assert run.returncode == 0, run.stderr
        return run.stdout, run.stderr

    def create(self, name: str, *options: str) -> tuple[str, str]:
        """A new key's id and secret."""
        secret, told = self.command("create", name, *options)
        return told.split()[1], secret.strip()


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    folder = tmp_path_factory.mktemp("keys")
    database = databases.fresh(folder)
    with running(folder / "log", mode="keys", database_url=database) as server:
        yield Keys(server, database)


@pytest.fixture(scope="package")
def secret(keys: Keys) -> str:
    """A key that may score and suggest without limit."""
    return keys.create("everyday", "--per-minute", "0")[1]


@pytest.fixture(scope="package")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("strict") / "log", compatibility="strict") as server:
        yield server


@pytest.fixture(scope="package")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One text may wait."""
    with running(tmp_path_factory.mktemp("narrow") / "log", queue="1", threads="1") as server:
        yield server


@pytest.fixture(scope="package")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """No time to score a long text."""
    with running(tmp_path_factory.mktemp("hurried") / "log", deadline_ms="10") as server:
        yield server
