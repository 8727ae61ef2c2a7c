"""`/v1/appeals`: what authors say against removals, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from serving import service
from serving.dialects.bodies import described, read
from serving.moderation import appeals, cursors, decisions, sites
from serving.moderation.appeals import LONGEST, Outcome
from serving.moderation.routes.calls import FAILURES, actor, by, reading, writing
from serving.moderation.tables import Appeal, AppealState, Decision, Moderator

router = APIRouter(tags=["appeals"])


class AppealBody(BaseModel):
    """What the author says; `author` is the id by which the comment was sent."""

    model_config = ConfigDict(extra="forbid")

    author: str = Field(min_length=1, max_length=256)
    text: str = Field(min_length=1, max_length=LONGEST)


class OutcomeBody(BaseModel):
    """What becomes of the decision, by whom; the note is for moderators."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    note: str | None = Field(None, max_length=LONGEST)
    moderator: str | None = Field(None, max_length=100)


class AppealAnswer(BaseModel):
    """An appeal; `comment` is its id in the comment system; `text` is null once it is erased."""

    id: str
    site: str
    decision: str
    comment: str
    text: str | None
    state: AppealState
    at: datetime
    decided_at: datetime | None
    moderator: str | None
    note: str | None


class AppealsAnswer(BaseModel):
    """Appeals, the latest first; `cursor` fetches the next page, and is null on the last."""

    appeals: list[AppealAnswer]
    cursor: str | None


@router.post(
    "/v1/decisions/{id}/appeal",
    responses=FAILURES,
    openapi_extra=described(AppealBody, {"author": "u-17", "text": "That was a quotation from the article."}),
)
async def file(id: str, request: Request) -> AppealAnswer:
    """Files the author's appeal; the same again changes nothing. The key needs the scope comments."""
    here = service.of(request)
    key = await here.admit(request, "comments")
    body = read(await request.body(), AppealBody)

    def work(session: Session) -> AppealAnswer:
        appeal = appeals.file(session, decisions.find(session, id), body.author, body.text, actor(key))
        return _answers(session, [appeal])[0]

    return await writing(here, work)


@router.post(
    "/v1/appeals/{id}/decision",
    responses=FAILURES,
    openapi_extra=described(OutcomeBody, {"outcome": "overturned", "moderator": "eve"}),
)
async def decide(id: str, request: Request) -> AppealAnswer:
    """Upholds or overturns the decision; the key needs the scope moderate."""
    here = service.of(request)
    key = await here.admit(request, "moderate")
    body = read(await request.body(), OutcomeBody)

    def work(session: Session) -> AppealAnswer:
        appeal = appeals.find(session, id)
        who = by(session, key, body.moderator)
        return _answers(session, [appeals.decide(session, appeal, body.outcome, who, body.note)])[0]

    return await writing(here, work)


@router.get("/v1/appeals/{id}", responses=FAILURES)
async def get(id: str, request: Request) -> AppealAnswer:
    """An appeal; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    return await reading(here, lambda session: _answers(session, [appeals.find(session, id)])[0])


@router.get("/v1/appeals", responses=FAILURES)
async def every(
    request: Request,
    site: Annotated[str, Query(max_length=64)],
    state: AppealState | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=cursors.MOST)] = 50,
) -> AppealsAnswer:
    """A site's appeals, the latest first; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work(session: Session) -> AppealsAnswer:
        sites.find(session, site)
        query = select(Appeal).where(Appeal.site_id == site)
        query = query.options(joinedload(Appeal.decision).joinedload(Decision.comment))
        if state is not None:
            query = query.where(Appeal.state == state)
        rows, after = cursors.page(session, query, Appeal.at, Appeal.id, cursor, limit)
        return AppealsAnswer(appeals=_answers(session, rows), cursor=after)

    return await reading(here, work)


def _answers(session: Session, rows: Sequence[Appeal]) -> list[AppealAnswer]:
    who = {row.moderator_id for row in rows if row.moderator_id is not None}
    names = dict(session.execute(select(Moderator.id, Moderator.name).where(Moderator.id.in_(who))).all())
    return [
        AppealAnswer(
            id=row.id,
            site=row.site_id,
            decision=row.decision_id,
            comment=row.decision.comment.external_id,
            text=row.text,
            state=row.state,
            at=row.at,
            decided_at=row.decided_at,
            moderator=names.get(row.moderator_id) if row.moderator_id else None,
            note=row.note,
        )
        for row in rows
    ]
