"""The real artifact and a real server for all tests; Hugging Face libraries kept offline and out of home."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from serving.scorer import Scorer
from serving.store import Store
from tests import databases
from tests.heads import with_head
from tests.service import Server, running

# Before anything imports those libraries, which read the environment once.
_home = tempfile.TemporaryDirectory(prefix="evenhand-tests-")
atexit.register(_home.cleanup)
os.environ["HF_HOME"] = _home.name
os.environ["HF_HUB_OFFLINE"] = "1"

# How fast examples are made and run is the machine's business, which may be busy with other things; what a test says
# of speed it measures itself.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return Scorer.load()


@pytest.fixture(scope="session")
def markless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a model without a head that marks words."""
    return with_head(tmp_path_factory.mktemp("markless"), None, output=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def shipped_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that reads bodies as large as the service does unless told otherwise."""
    with running(tmp_path_factory.mktemp("server") / "log", max_body_bytes=64 * 2**20) as server:
        yield server


@pytest.fixture(scope="session")
def markless_server(markless: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "log", model=markless) as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="what services store in")


def pytest_configure(config: pytest.Config) -> None:
    databases.kind = config.getoption("--database")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new database with its tables."""
    store = Store(databases.fresh(tmp_path))
    store.open()
    yield store
    store.close()
