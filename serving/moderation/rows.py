"""Rows that two callers may want to make at the same moment."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import TextClause, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from serving.store import Base

T = TypeVar("T", bound=Base)


def ensure(session: Session, kind: type[T], key: dict[str, Any], **values: Any) -> tuple[T, bool]:
    """The row of a unique key, and whether it was made now, with `values`. The row stays locked until the end of the
    transaction: on SQLite the whole database is, as the session must be a writing one.
    """
    wanted = select(kind).filter_by(**key).with_for_update().execution_options(populate_existing=True)
    if found := session.scalars(wanted).first():
        return found, False
    made = insert_unless_there(session, kind, list(key), **key, **values)
    return session.scalars(wanted).one(), made


def insert_unless_there(
    session: Session, kind: type[Base], index: list[str], where: TextClause | None = None, **values: Any
) -> bool:
    """Makes a row unless there is one with the same values of a unique index, partial by `where`; whether it did."""
    session.flush()
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(kind).values(**values).on_conflict_do_nothing(index_elements=index, index_where=where)
    return session.execute(statement.returning(*inspect(kind).primary_key)).first() is not None
