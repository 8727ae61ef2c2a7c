"""What is held on a person, as an author or as a reporter: all of it as JSON, and none of it any more."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from serving import service
from serving.moderation import privacy, sites
from serving.moderation.privacy import Role
from serving.moderation.problems import missing
from serving.moderation.routes.calls import FAILURES, actor, reading, writing
from serving.moderation.routes.comments import checked_id

router = APIRouter(tags=["privacy"])


class ErasedAnswer(BaseModel):
    """What was erased: texts of comments, details of reports, appeals. All 0 if nothing was held, or is any more."""

    persons: int
    texts: int
    reports: int
    appeals: int


@router.delete("/v1/sites/{site}/authors/{id}", responses=FAILURES)
async def erase_author(site: str, id: str, request: Request) -> ErasedAnswer:
    """Erases an author's texts, names and ids; again changes nothing. The key needs the scope comments."""
    return await _erase(request, site, "author", id)


@router.delete("/v1/sites/{site}/reporters/{id}", responses=FAILURES)
async def erase_reporter(site: str, id: str, request: Request) -> ErasedAnswer:
    """Erases a reporter's words and id; again changes nothing. The key needs the scope comments."""
    return await _erase(request, site, "reporter", id)


@router.get("/v1/sites/{site}/authors/{id}/export", responses=FAILURES)
async def export_author(site: str, id: str, request: Request) -> dict[str, Any]:
    """All that is held on an author; the key needs the scope comments."""
    return await _export(request, site, "author", id)


@router.get("/v1/sites/{site}/reporters/{id}/export", responses=FAILURES)
async def export_reporter(site: str, id: str, request: Request) -> dict[str, Any]:
    """All that is held on a reporter; the key needs the scope comments."""
    return await _export(request, site, "reporter", id)


async def _erase(request: Request, site: str, role: Role, person: str) -> ErasedAnswer:
    here = service.of(request)
    key = await here.admit(request, "comments")
    person = checked_id(person)

    def work(session: Session) -> ErasedAnswer:
        sites.find(session, site)
        erased = privacy.erase(session, site, role, person, actor(key))
        return ErasedAnswer(persons=erased.persons, texts=erased.texts, reports=erased.reports, appeals=erased.appeals)

    answer = await writing(here, work)
    if answer.persons or here.store.owed:  # an erasure is tried again whose rewriting failed
        await to_thread.run_sync(here.store.forget)
    return answer


async def _export(request: Request, site: str, role: Role, person: str) -> dict[str, Any]:
    here = service.of(request)
    await here.admit(request, "comments")
    person = checked_id(person)

    def work(session: Session) -> dict[str, Any]:
        sites.find(session, site)
        found = privacy.export(session, site, role, person)
        if found is None:
            raise missing(role, "nothing is held on this person")
        return found

    return await reading(here, work)
