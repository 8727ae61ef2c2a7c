"""Runs the migrations on the connection that the store hands over."""

from __future__ import annotations

from alembic import context

from serving.moderation import tables  # noqa: F401  # so that Base knows them
from serving.store import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
