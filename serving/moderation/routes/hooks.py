"""`/v1/sites/{site}/hooks`: where a site's comment system is told of decisions, and what it could not be told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving import service
from serving.dialects.bodies import described, read
from serving.moderation import cursors, hooks, sites
from serving.moderation.problems import missing
from serving.moderation.routes.calls import FAILURES, actor, reading, writing
from serving.moderation.tables import Delivery, Hook

router = APIRouter(tags=["webhooks"])


class HookBody(BaseModel):
    """An address to tell; without events, of all."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=hooks.LONGEST)
    events: list[str] = Field(default_factory=list, max_length=50)


class HookAnswer(BaseModel):
    """A hook, what waits for it, and what was given up. Events: none named are all."""

    id: str
    site: str
    url: str
    events: list[str]
    created_at: datetime
    waiting: int
    dead: int
    problem: str | None = Field(description="of the last attempt that failed and still waits or is dead")


class MadeAnswer(HookAnswer):
    """A new hook. The secret signs what is sent to it, and is not shown again."""

    secret: str


class HooksAnswer(BaseModel):
    """A site's hooks."""

    hooks: list[HookAnswer]


class DeliveryAnswer(BaseModel):
    """A delivery that was given up."""

    id: str
    sequence: int
    event: str
    at: datetime
    dead_at: datetime
    attempts: int
    problem: str | None


class DeadAnswer(BaseModel):
    """Deliveries that were given up, the latest first. `cursor`: of the next page, null on the last."""

    deliveries: list[DeliveryAnswer]
    cursor: str | None


class ReplayedAnswer(BaseModel):
    """How many deliveries are sent once more."""

    replayed: int


@router.post(
    "/v1/sites/{site}/hooks",
    responses=FAILURES,
    openapi_extra=described(HookBody, {"url": "https://news.example/hooks/evenhand", "events": ["comment.removed"]}),
)
async def add(site: str, request: Request) -> MadeAnswer:
    """Makes a hook and its secret; the key needs the scope admin."""
    here = service.of(request)
    key = await here.admit(request, "admin")
    body = read(await request.body(), HookBody)

    def work(session: Session) -> MadeAnswer:
        sites.find(session, site)
        hook = hooks.add(session, site, body.url, body.events, here.settings.mode, actor(key))
        return MadeAnswer(**_answers(session, [hook])[0].model_dump(), secret=hook.secret)

    return await writing(here, work)


@router.get("/v1/sites/{site}/hooks", responses=FAILURES)
async def every(site: str, request: Request) -> HooksAnswer:
    """A site's hooks; the key needs the scope admin."""
    here = service.of(request)
    await here.admit(request, "admin")

    def work(session: Session) -> HooksAnswer:
        sites.find(session, site)
        return HooksAnswer(hooks=_answers(session, hooks.every(session, site)))

    return await reading(here, work)


@router.delete("/v1/sites/{site}/hooks/{id}", responses=FAILURES)
async def remove(site: str, id: str, request: Request) -> HookAnswer:
    """Ends a hook; the key needs the scope admin."""
    here = service.of(request)
    key = await here.admit(request, "admin")

    def work(session: Session) -> HookAnswer:
        hook = _find(session, site, id)
        hooks.remove(session, hook, actor(key))
        return _answers(session, [hook])[0]

    return await writing(here, work)


@router.get("/v1/sites/{site}/hooks/{id}/dead", responses=FAILURES)
async def dead(
    site: str,
    id: str,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=cursors.MOST)] = 50,
) -> DeadAnswer:
    """What could not be delivered in a day, the latest first; the key needs the scope admin."""
    here = service.of(request)
    await here.admit(request, "admin")

    def work(session: Session) -> DeadAnswer:
        wanted = hooks.dead(_find(session, site, id).id)
        rows, after = cursors.page(session, wanted, Delivery.created_at, Delivery.id, cursor, limit)
        return DeadAnswer(
            cursor=after,
            deliveries=[
                DeliveryAnswer(
                    id=row.id, sequence=row.sequence, event=row.event, at=row.created_at,
                    dead_at=row.dead_at or row.created_at, attempts=row.attempts, problem=row.problem,
                )
                for row in rows
            ],
        )  # fmt: skip

    return await reading(here, work)


@router.post("/v1/sites/{site}/hooks/{id}/replay", responses=FAILURES)
async def replay(site: str, id: str, request: Request) -> ReplayedAnswer:
    """Sends what was given up once more; the key needs the scope admin."""
    here = service.of(request)
    key = await here.admit(request, "admin")
    return await writing(
        here,
        lambda session: ReplayedAnswer(replayed=hooks.replay(session, _find(session, site, id), actor(key))),
    )


def _find(session: Session, site: str, hook_id: str) -> Hook:
    sites.find(session, site)
    hook = hooks.find(session, hook_id)
    if hook.site_id != site:
        raise missing("hook")
    return hook


def _answers(session: Session, rows: list[Hook]) -> list[HookAnswer]:
    open_ones = (Delivery.hook_id.in_([row.id for row in rows]), Delivery.delivered_at.is_(None))
    counts = select(Delivery.hook_id, func.count(), func.count(Delivery.dead_at)).where(*open_ones)
    found = {hook: (every, dead) for hook, every, dead in session.execute(counts.group_by(Delivery.hook_id))}
    said = select(Delivery.hook_id, Delivery.problem).where(*open_ones, Delivery.problem.is_not(None))
    problems = dict(session.execute(said.order_by(Delivery.sequence).limit(1000)).all())
    return [
        HookAnswer(
            id=row.id,
            site=row.site_id,
            url=row.url,
            events=row.events,
            created_at=row.created_at,
            waiting=found.get(row.id, (0, 0))[0] - found.get(row.id, (0, 0))[1],
            dead=found.get(row.id, (0, 0))[1],
            problem=problems.get(row.id),
        )
        for row in rows
    ]
