"""What routes of moderation have in common: who calls, and how what cannot be done is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import to_thread
from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.dialects.dialect import failures
from serving.errors import ApiError, ErrorResponse
from serving.keys import Key
from serving.moderation.problems import Kind, ModerationError, invalid
from serving.moderation.sites import SiteError
from serving.moderation.tables import Moderator
from serving.moderation.verdicts import By
from serving.service import Service

T = TypeVar("T")
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 409, 422, 503)
STATUS: dict[Kind, int] = {"missing": 404, "conflict": 409, "refused": 403, "invalid": 422}


@contextmanager
def complaints() -> Iterator[None]:
    """Makes a ModerationError or SiteError the answer."""
    try:
        yield
    except ModerationError as error:
        raise ApiError(STATUS[error.kind], error.code, str(error), error.field) from None
    except SiteError as error:
        status, code = (404, "unknown_site") if error.field == "site" else (422, "invalid_request")
        raise ApiError(status, code, str(error), error.field) from None


async def reading(here: Service, work: Callable[[Session], T]) -> T:
    """What `work` returns, on a session that reads."""

    def run() -> T:
        with complaints(), here.store.session() as session:
            return work(session)

    return await to_thread.run_sync(run)


async def writing(here: Service, work: Callable[[Session], T]) -> T:
    """What `work` returns, once all that it did is committed. What it raises undoes it, and is answered."""

    def run() -> T:
        with complaints(), here.store.writing() as session:
            return work(session)

    return await to_thread.run_sync(run)


def by(session: Session, key: Key | None, moderator: str | None) -> By:
    """Who acts: the moderator whom the caller names, or the key itself. Raises ModerationError for an unknown name."""
    key_id = key.id if key else None
    if moderator is None:
        return By("key", key_id=key_id)
    found = session.scalars(select(Moderator).where(Moderator.name == moderator.strip().lower())).first()
    if found is None:
        raise invalid("moderator", "expected the name of a moderator")
    return By("moderator", moderator_id=found.id, key_id=key_id)


def actor(key: Key | None) -> str:
    """Who acts, as the audit log has it."""
    return f"key:{key.id}" if key else "local"
