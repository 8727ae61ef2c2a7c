"""A service that Coral's sites are known to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from serving import keys
from serving.store import Store
from tests import databases
from tests.service import running
from tests.serving.dialects.coral.calls import OLD, SECRET, SITES, Service


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("coral")
    sites = folder / "sites.toml"
    sites.write_text(SITES)
    database_url = databases.fresh(folder)
    store = Store(database_url)
    store.open()
    key, admin = (keys.create(store, name, scopes, 0)[1] for name, scopes in (
        ("coral", ["score", "feedback"]), ("operator", ["admin"]),
    ))  # fmt: skip
    os.environ["CORAL_SECRETS"] = f"{SECRET} {OLD}"
    with running(folder / "log", mode="keys", database_url=database_url, coral=sites) as server:
        yield Service(server, key, admin, sites, store)
    del os.environ["CORAL_SECRETS"]
    store.close()
