"""The database. SQLite by default, PostgreSQL by URL; the tables of moderation are in serving/moderation/tables.py."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Float,
    Integer,
    String,
    Text,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as BusyWriters
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

VARIABLE = "EVENHAND_DATABASE_URL"
MIGRATIONS = Path(__file__).parent / "migrations"
LARGEST = 2**31 - 1  # number that a column of type Integer holds
LONGEST_WAIT = 10.0  # seconds that a writer waits for others
FORGET_WAIT = 30.0  # seconds that `Store.forget` waits for readers of the old state, which hold the log
FORGET_TRY = 0.2  # of these, at a time in which nobody can write


class StoreError(ValueError):
    """The database cannot be used. The message says which (without a password) and why."""


class Moment(TypeDecorator[datetime]):
    """A time with its zone. Stored in UTC, because SQLite forgets the zone; there it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored time with its zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """Base of the tables."""


def now() -> datetime:
    """The present time, with its zone."""
    return datetime.now(UTC)


class ApiKey(Base):
    """A caller's key: its hash, what it may do, and how often. The key itself is never stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    per_minute: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class Feedback(Base):
    """What a client says a comment's scores should have been: a label, with what is known of its origin."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    key_id: Mapped[str | None] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    attribute: Mapped[str] = mapped_column(String(100), doc="as the client called it")
    value: Mapped[float] = mapped_column(Float)
    begin: Mapped[int | None] = mapped_column(Integer, doc="of a span, in UTF-16 code units; NULL: the whole text")
    end: Mapped[int | None] = mapped_column(Integer)
    languages: Mapped[list[str]] = mapped_column(JSON)
    comment_id: Mapped[str | None] = mapped_column(String(256), index=True)
    reply_to: Mapped[str | None] = mapped_column(String(256))
    story_url: Mapped[str | None] = mapped_column(Text)
    context: Mapped[Any | None] = mapped_column(JSON)
    community_id: Mapped[str | None] = mapped_column(String(256))
    session_id: Mapped[str | None] = mapped_column(String(256))
    client_token: Mapped[str | None] = mapped_column(String(256))


class Store:
    """A database. `open` brings its tables up to date; until then nothing is read or written."""

    def __init__(self, url: str) -> None:
        """Raises StoreError if the URL cannot be understood."""
        try:
            parsed = make_url(url)
            # Days are counted in UTC, whatever the server's own zone is.
            options = {"options": "-c timezone=utc", "connect_timeout": f"{LONGEST_WAIT:.0f}"}
            chosen = options if parsed.get_backend_name() == "postgresql" else {}
            self.engine: Engine = create_engine(parsed, pool_pre_ping=True, connect_args=chosen)
            self._writer: Engine = self.engine.execution_options(writes=True)
            self._turns = Turns()
            self._guard, self._forgetting = threading.Lock(), threading.Lock()
            self._asked = self._forgotten = 0  # numbers of calls of `forget`
        except (ArgumentError, ImportError, ValueError) as error:  # a ValueError may quote a piece of the password
            expected = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
            raise StoreError(f"{VARIABLE}: expected {expected} ({type(error).__name__})") from None
        self.shown = parsed.difference_update_query(["password"]).render_as_string(hide_password=True)
        self.session: sessionmaker[Session] = sessionmaker(self.engine, expire_on_commit=False)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite)
            event.listen(self.engine, "begin", _begin)

    @property
    def one_writer(self) -> bool:
        """Whether the database takes one writer at a time: SQLite does."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that writes: committed at the end, rolled back on an error. Never open one inside another.

        SQLite takes its one lock for writers at the start. A transaction that began by reading could not be given it
        after another one's commit, and would fail.
        """
        with self._turn(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def together(self) -> Iterator[Callable[[], Session]]:
        """One transaction that writes, and sessions in it that succeed or fail each for itself, by savepoints: what
        one does is undone if it is not committed, and is there for good when the whole is at its end.
        """
        with self._turn(), self._writer.begin() as connection:
            yield lambda: Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)

    def _turn(self) -> AbstractContextManager[None]:
        return self._turns.next() if self.one_writer else nullcontext()

    def open(self) -> None:
        """Makes or migrates the tables. Raises StoreError."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            newest = ScriptDirectory.from_config(config).get_current_head()
            with self.engine.connect() as connection:  # which needs no turn to write
                if MigrationContext.configure(connection).get_current_revision() == newest:
                    return
            with self._writer.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (SQLAlchemyError, CommandError, OSError) as error:
            newer = isinstance(error.__cause__, ResolutionError)
            why = "a newer evenhand made it; run that one" if newer else getattr(error, "orig", None) or error
            raise StoreError(f"{VARIABLE}: {self.shown}: {why}") from None

    def forget(self) -> None:
        """Rewrites SQLite's file, so that nothing is left in it of what was erased: neither in free pages, nor in the
        gaps of others, nor in the log. Writers wait meanwhile. One run does for all who asked before it began.

        PostgreSQL's own vacuum sees to that in its time. Raises SQLAlchemyError, also if another program has read the
        database all through FORGET_WAIT; then it is `owed`.
        """
        if not self.one_writer:
            return
        with self._guard:
            self._asked += 1
            mine = self._asked
        with self._forgetting:
            if self._forgotten >= mine:
                return
            with self._turn():
                served = self._asked
                self._pragma("VACUUM")
            end = time.monotonic() + FORGET_WAIT
            while not self._truncated():
                if time.monotonic() > end:
                    raise BusyWriters("another program reads, and keeps what was erased in the database's log")
                time.sleep(FORGET_TRY)  # in which others write
            self._forgotten = served

    def _truncated(self) -> bool:
        """Whether SQLite's log could be emptied."""
        with self._turn():
            return bool(self._pragma("PRAGMA wal_checkpoint(TRUNCATE)", FORGET_TRY)[0] == 0)

    def _pragma(self, statement: str, wait: float = LONGEST_WAIT) -> Any:
        """The first row of what SQLite does outside a transaction; it waits for others for so many seconds."""
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={wait * 1000:.0f}")
            found = cursor.execute(statement).fetchone()
            cursor.execute(f"PRAGMA busy_timeout={LONGEST_WAIT * 1000:.0f}")
            cursor.close()
        except sqlite3.Error as error:  # the driver's own, as no layer is in between
            connection.invalidate()  # it waits for another time than others do
            raise OperationalError(statement, None, error) from None
        finally:
            connection.close()
        return found

    @property
    def owed(self) -> bool:
        """Whether somebody has asked to `forget` and it has not been done yet."""
        return self._forgotten < self._asked

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()


def cause(error: SQLAlchemyError) -> dict[str, str]:
    """What may be logged of a failure: its type, and the driver's first line if it is about the database itself (full,
    locked, not there). Others, and SQLAlchemy's own words, may quote what was to be written.
    """
    found = {"type": type(error).__name__}
    if isinstance(error, OperationalError) and error.orig is not None:
        found["reason"] = str(error.orig).partition("\n")[0]
    return found


class Turns:
    """Threads that write take turns in the order in which they came. SQLite itself lets them try again and again, and
    whoever is unlucky waits for seconds; it still guards against other processes.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()  # the first is of the thread whose turn it is

    @contextmanager
    def next(self) -> Iterator[None]:
        """The thread's turn. Raises sqlalchemy.exc.TimeoutError after LONGEST_WAIT."""
        mine = threading.Lock()
        with self._guard:
            if self._waiting:
                mine.acquire()
            self._waiting.append(mine)
        try:
            if not mine.acquire(timeout=LONGEST_WAIT):
                raise BusyWriters("the database is busy with other writers")
            yield
        finally:
            with self._guard:
                first = self._waiting[0] is mine
                self._waiting.remove(mine)
                if first and self._waiting:
                    self._waiting[0].release()


def _sqlite(connection: Any, _: Any) -> None:
    """Readers do not wait for the writer, writers wait for each other, and a commit is on the disk."""
    connection.isolation_level = None  # the driver begins no transaction of its own: `_begin` does
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        f"busy_timeout={LONGEST_WAIT * 1000:.0f}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # most of what is erased is gone at once; `Store.forget` sees to the rest
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
