"""`/v1/sites`: the publications that are moderated here."""

from __future__ import annotations

from datetime import datetime

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from serving import service
from serving.dialects.bodies import described, read
from serving.dialects.dialect import failures
from serving.errors import ErrorResponse
from serving.moderation import sites
from serving.moderation.routes.complaints import complaints
from serving.moderation.sites import SiteSettings
from serving.moderation.tables import Site

__all__ = ["complaints", "router"]

router = APIRouter(tags=["sites"])
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 422, 503)


class SiteBody(BaseModel):
    """A site to make or change. `settings` replace all that it had: what is left out of them has its default."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    settings: SiteSettings | None = None


class SiteAnswer(BaseModel):
    """A site and all of its settings."""

    id: str
    name: str
    settings: SiteSettings
    created_at: datetime


class SitesAnswer(BaseModel):
    """All sites."""

    sites: list[SiteAnswer]


@router.get("/v1/sites", responses=FAILURES)
async def every(request: Request) -> SitesAnswer:
    """All sites; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work() -> list[SiteAnswer]:
        with here.store.session() as session:
            return [_answer(site) for site in sites.every(session)]

    return SitesAnswer(sites=await to_thread.run_sync(work))


@router.put("/v1/sites/{site}", responses=FAILURES, openapi_extra=described(SiteBody, {"name": "The Daily Example"}))
async def put(site: str, request: Request) -> SiteAnswer:
    """Makes a site, or changes it; the key needs the scope admin."""
    here = service.of(request)
    key = await here.admit(request, "admin")
    body = read(await request.body(), SiteBody)
    actor = f"key:{key.id}" if key else "local"

    def work() -> SiteAnswer:
        with complaints(), here.store.writing() as session:
            return _answer(sites.put(session, site, body.name, body.settings, actor))

    return await to_thread.run_sync(work)


def _answer(site: Site) -> SiteAnswer:
    return SiteAnswer(id=site.id, name=site.name, settings=sites.settings(site), created_at=site.created_at)
