"""The migrations: they make what the models say, on data, up and down, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text

from serving import keys
from serving.moderation import audit
from serving.store import MIGRATIONS, Base, Feedback, Store, StoreError
from tests import databases
from tests.serving.moderation.test_decisions import decided
from tests.serving.moderation.world import World


@contextmanager
def migrating(url: str) -> Iterator[tuple[Config, Connection]]:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        yield config, connection
    engine.dispose()


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_up_on_data_down_and_up_again(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    with migrating(url) as (config, connection):
        command.upgrade(config, "0001")
        assert set(inspect(connection).get_table_names()) == {"alembic_version", "api_keys", "feedback"}
        connection.execute(
            text(
                "INSERT INTO api_keys (id, name, sha256, scopes, per_minute, created_at)"
                " VALUES ('ab12', 'old', 'x', '[\"score\"]', 5, '2026-01-01 00:00:00+00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO feedback (created_at, text, attribute, value, languages)"
                " VALUES ('2026-01-01 00:00:00+00:00', 'Well.', 'TOXICITY', 0.5, '[]')"
            )
        )

    def kept(store: Store) -> None:
        assert [key.name for key in keys.every(store)] == ["old"]
        with store.session() as session:
            assert [row.text for row in session.query(Feedback)] == ["Well."]

    store = Store(url)
    store.open()
    kept(store)
    world = World.made(store)
    decided(world, world.case(), "remove")
    store.close()
    with migrating(url) as (config, connection):
        command.downgrade(config, "0001")
        assert set(inspect(connection).get_table_names()) == {"alembic_version", "api_keys", "feedback"}
    store = Store(url)
    store.open()
    kept(store)
    again = World.made(store)
    decided(again, again.case(), "remove")
    with store.session() as session:
        assert list(audit.verify(session)) == []
    store.close()
    with migrating(url) as (config, connection):
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    store = Store(url)
    store.open()
    assert keys.every(store) == []
    decided(anew := World.made(store), anew.case(), "remove")
    store.close()


def test_a_database_of_a_later_version_is_left_alone(store: Store) -> None:
    with store.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"^EVENHAND_DATABASE_URL: .*: a newer evenhand made it"):
        store.open()
