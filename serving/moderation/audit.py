"""The audit log: who did what, when; a chain of hashes, so that a changed or missing entry shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from serving.moderation.tables import AuditEntry
from serving.store import now

START = "0" * 64  # what the first entry's hash covers in place of one before it
# Any number will do, so long as nothing else in the database locks by it.
LOCK = 0x6576656E68616E64


def append(
    session: Session,
    actor: str,
    action: str,
    subject: str,
    *,
    site: str | None = None,
    details: dict[str, Any] | None = None,
) -> AuditEntry:
    """Adds an entry in the session's transaction, which holds the log until it ends. `details` holds no text of anyone.

    SQLite has one writer at a time anyway (the session must be a writing one); PostgreSQL is asked for a lock.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    session.flush()
    last = session.scalars(select(AuditEntry).order_by(AuditEntry.number.desc()).limit(1)).first()
    entry = AuditEntry(
        number=last.number + 1 if last else 1,
        at=now(),
        actor=actor,
        action=action,
        subject=subject,
        site_id=site,
        details=details or {},
    )
    entry.hash = digest(entry, last.hash if last else START)
    session.add(entry)
    session.flush()
    return entry


def digest(entry: AuditEntry, before: str) -> str:
    """SHA-256, hexadecimal, of an entry and the hash of the one before it."""
    content = [before, entry.number, _moment(entry.at), entry.actor, entry.action, entry.subject, entry.site_id]
    written = json.dumps([*content, entry.details], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


def verify(session: Session) -> Iterator[str]:
    """What is wrong with the log, in words; nothing if every entry is there as it was written.

    Entries cut off at the end leave no trace in what remains: keep the last hash, `head`, elsewhere, and ask whether
    the log `holds` it.
    """
    before, number = START, 0
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number)).yield_per(1000):
        number += 1
        if entry.number != number:
            yield f"entries {number} to {entry.number - 1} are missing"
            number = entry.number
        elif entry.hash != digest(entry, before):
            yield f"entry {entry.number} is not as it was written"
        before = entry.hash


def head(session: Session) -> tuple[int, str]:
    """Number and hash of the last entry; (0, START) of an empty log."""
    found = session.execute(
        select(AuditEntry.number, AuditEntry.hash).where(
            AuditEntry.number == select(func.max(AuditEntry.number)).scalar_subquery()
        )
    ).first()
    return (found[0], found[1]) if found else (0, START)


def holds(session: Session, digest: str) -> bool:
    """Whether the log still has the entry of a hash that was its head once."""
    return session.scalars(select(AuditEntry.number).where(AuditEntry.hash == digest)).first() is not None


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
