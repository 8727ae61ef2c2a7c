from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from serving.moderation import audit
from serving.moderation.tables import AuditEntry
from serving.store import Store


def test_entries_are_chained_and_whole_whoever_writes_at_once(store: Store) -> None:
    def write(number: int) -> None:
        for turn in range(5):
            with store.writing() as session:
                audit.append(session, f"moderator:{number}", "decision.made", f"decision:{turn}", details={"n": turn})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with store.session() as session:
        assert list(audit.verify(session)) == []
        assert audit.head(session)[0] == 40


@pytest.mark.parametrize("statement", [update(AuditEntry).values(actor="nobody"), delete(AuditEntry)])
def test_the_database_refuses_to_change_an_entry(store: Store, statement: object) -> None:
    with store.writing() as session:
        audit.append(session, "command", "site.made", "site:demo")
    with pytest.raises(DBAPIError, match="append-only"), store.writing() as session:
        session.execute(statement)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE number = 2", "entry 2 is not as it was written"),
        ("DELETE FROM audit WHERE number = 2", "entries 2 to 2 are missing"),
    ],
)
def test_a_changed_entry_shows(store: Store, change: str, complaint: str) -> None:
    with store.writing() as session:
        for number in range(3):
            audit.append(session, "command", "site.made", f"site:{number}")
    with store.writing() as session:
        if store.engine.dialect.name == "postgresql":
            session.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            for trigger in ("audit_no_update", "audit_no_delete"):
                session.execute(text(f"DROP TRIGGER {trigger}"))
        session.execute(text(change))
    with store.session() as session:
        assert next(audit.verify(session)) == complaint
