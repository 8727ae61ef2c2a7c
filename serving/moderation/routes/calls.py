"""What routes of moderation have in common: who calls, and how what cannot be done is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.dialects.dialect import failures
from serving.errors import ApiError, ErrorResponse
from serving.keys import Key, Scope
from serving.moderation import moderators
from serving.moderation.problems import invalid
from serving.moderation.routes.complaints import complaints
from serving.moderation.tables import Moderator
from serving.moderation.verdicts import By
from serving.service import Service

T = TypeVar("T")
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 409, 422, 503)


async def reading(here: Service, work: Callable[[Session], T]) -> T:
    """What `work` returns, on a session that reads."""

    def run() -> T:
        with complaints(), here.store.session() as session:
            return work(session)

    return await to_thread.run_sync(run)


async def writing(here: Service, work: Callable[[Session], T]) -> T:
    """What `work` returns, once all that it did is committed. What it raises undoes it, and is answered."""
    with complaints():
        return await here.writer.do(work)


async def admit(here: Service, request: Request, *scopes: Scope) -> Key | None:
    """The caller's key, which needs one of the scopes. Raises ApiError."""
    for scope in scopes[:-1]:
        try:
            return await here.admit(request, scope)
        except ApiError as error:
            if error.code != "forbidden":
                raise
    return await here.admit(request, scopes[-1])


def by(session: Session, key: Key | None, moderator: str | None) -> By:
    """Who acts: the moderator whom the caller names, or the key itself. Raises ModerationError for an unknown name."""
    key_id = key.id if key else None
    if moderator is None:
        return By("key", key_id=key_id)
    found = session.scalars(select(Moderator).where(Moderator.name == moderators.normal(moderator))).first()
    if found is None:
        raise invalid("moderator", "expected the name of a moderator")
    return By("moderator", moderator_id=found.id, key_id=key_id)


def actor(key: Key | None) -> str:
    """Who acts, as the audit log has it."""
    return f"key:{key.id}" if key else "local"
