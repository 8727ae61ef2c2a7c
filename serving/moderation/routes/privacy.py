"""What is held on a person, as an author or as a reporter: all of it as JSON, and none of it any more."""

from __future__ import annotations

from typing import Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from serving import service
from serving.moderation import privacy, sites
from serving.moderation.problems import missing
from serving.moderation.routes.calls import FAILURES, actor, reading, writing
from serving.moderation.routes.comments import checked_id

router = APIRouter(tags=["privacy"])
Kind = Literal["authors", "reporters"]
ROLES: dict[Kind, privacy.Role] = {"authors": "author", "reporters": "reporter"}


class ErasedAnswer(BaseModel):
    """What was erased: texts of comments, details of reports, appeals. All 0 if nothing was held, or is any more."""

    persons: int
    texts: int
    reports: int
    appeals: int


@router.delete("/v1/sites/{site}/{kind}/{id}", responses=FAILURES)
async def erase(site: str, kind: Kind, id: str, request: Request) -> ErasedAnswer:
    """Erases a person's texts, names and ids; again changes nothing. The key needs the scope comments."""
    here = service.of(request)
    key = await here.admit(request, "comments")
    id = checked_id(id)

    def work(session: Session) -> ErasedAnswer:
        sites.find(session, site)
        erased = privacy.erase(session, site, ROLES[kind], id, actor(key))
        return ErasedAnswer(persons=erased.persons, texts=erased.texts, reports=erased.reports, appeals=erased.appeals)

    answer = await writing(here, work)
    if answer.persons:
        await to_thread.run_sync(here.store.forget)
    return answer


@router.get("/v1/sites/{site}/{kind}/{id}/export", responses=FAILURES)
async def export(site: str, kind: Kind, id: str, request: Request) -> dict[str, Any]:
    """All that is held on a person; the key needs the scope comments."""
    here = service.of(request)
    await here.admit(request, "comments")
    id = checked_id(id)

    def work(session: Session) -> dict[str, Any]:
        sites.find(session, site)
        found = privacy.export(session, site, ROLES[kind], id)
        if found is None:
            raise missing(ROLES[kind], "nothing is held on this person")
        return found

    return await reading(here, work)
