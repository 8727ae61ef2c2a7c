"""The audit log: who did what, newest first, and whether the log is as it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from serving.console.desk import Call, Desk
from serving.moderation import audit, moderators
from serving.moderation.tables import AuditEntry

desk = Desk()
PATH = "/console/audit"
AT_ONCE = 100


@desk.get(PATH, "admin", navigation="Audit")
def show(call: Call) -> Response:
    """A page of entries, those before `?before=` if given."""
    before = call.query.get("before", "")
    with call.store.session() as session:
        entries = _entries(session, int(before) if before.isdecimal() and len(before) < 10 else None)
        more = entries[-1].number if entries and entries[-1].number > 1 else None
        return call.page("audit.html", entries=entries, names=_names(session), more=more, found=None)


@desk.post(f"{PATH}/verify", "admin")
def verify(call: Call) -> Response:
    """Reads the whole log and says what is wrong with it."""
    with call.store.session() as session:
        problems = list(audit.verify(session))
        number, last = audit.head(session)
        entries = _entries(session, None)
        more = entries[-1].number if entries and entries[-1].number > 1 else None
        found = {"problems": problems, "number": number, "last": last}
        return call.page("audit.html", entries=entries, names=_names(session), more=more, found=found)


def _entries(session: Session, before: int | None) -> Sequence[AuditEntry]:
    chosen = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(AT_ONCE)
    return session.scalars(chosen.where(AuditEntry.number < before) if before else chosen).all()


def _names(session: Session) -> Mapping[str, str]:
    """What actors and subjects that are moderators are called; the log itself holds no names."""
    return {moderators.subject(one): one.name for one in moderators.every(session)}
