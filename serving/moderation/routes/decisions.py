"""`/v1/decisions`: what is done with comments, one at a time or many at one stroke; looked up, and taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from serving import service
from serving.dialects.bodies import described, read
from serving.errors import ApiError
from serving.moderation import bulk, cursors, decisions, sites
from serving.moderation.problems import invalid, missing
from serving.moderation.routes.calls import FAILURES, by, reading, writing
from serving.moderation.routes.comments import checked_id
from serving.moderation.tables import Case, Comment, Decision, Moderator, Verdict
from serving.moderation.verdicts import LAW, NOTE

router = APIRouter(tags=["decisions"])
Seen = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Body(BaseModel):
    """Who decides, and why. A removal needs a reason, one of REASONS."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    reason: str | None = Field(None, max_length=32, description="code of the house rule; a removal needs one")
    note: str | None = Field(None, max_length=NOTE, description="for moderators")
    moderator: str | None = Field(None, max_length=100, description="who decides; without it, the key does")


class DecisionBody(Body):
    """A decision on one comment."""

    law: str | None = Field(None, max_length=LAW, description="that it breaks; with the reason illegal")
    revision: Seen | None = Field(None, description="that was looked at: another one by now is a conflict")


class RangeBody(BaseModel):
    """Open cases whose comment scores at least `at_least` and less than `below` (1 includes 1)."""

    model_config = ConfigDict(extra="forbid")

    attribute: str = Field(max_length=100)
    at_least: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    below: float = Field(1.0, ge=0, le=1, allow_inf_nan=False)
    section: str | None = Field(None, max_length=100)
    reason: str | None = Field(None, max_length=32, description="stated by a standing report")

    def wanted(self) -> bulk.Range:
        """The same for the domain."""
        return bulk.Range(self.attribute, self.at_least, self.below, self.section, self.reason)


class BulkBody(Body):
    """A decision on many cases: those named with the revision that was seen, or a range with the count of its cases.

    `dry_run` decides nothing and says which they would be.
    """

    site: str = Field(max_length=64)
    cases: dict[Annotated[str, Field(max_length=16)], Seen] | None = Field(None, max_length=bulk.MOST)
    range: RangeBody | None = None
    count: int | None = Field(None, ge=0, le=2**31 - 1, description="how many cases the range is thought to hold")
    dry_run: bool = False


class UndoBody(BaseModel):
    """Who takes it back."""

    model_config = ConfigDict(extra="forbid")

    moderator: str | None = Field(None, max_length=100)


class DecisionAnswer(BaseModel):
    """A decision; `comment` is its id in the comment system. Times are in UTC; scores 0..1 as they were then."""

    id: str
    site: str
    comment: str
    revision: int
    case: str | None
    action: str
    reason: str | None
    note: str | None
    law: str | None
    actor: str
    moderator: str | None
    key: str | None
    bulk: str | None
    at: datetime
    model: str | None
    scores: dict[str, float] | None
    rule: dict[str, Any] | None
    undone_at: datetime | None
    overturned_at: datetime | None


class DecisionsAnswer(BaseModel):
    """Decisions, the latest first; `cursor` fetches the next page, and is null on the last."""

    decisions: list[DecisionAnswer]
    cursor: str | None


class SelectedAnswer(BaseModel):
    """A case that a range holds."""

    case: str
    revision: int
    score: float


class BulkAnswer(BaseModel):
    """What was decided at one stroke, and the cases left alone, each with why; or, of a dry run, `selected`."""

    bulk: str | None
    decisions: list[str]
    left: dict[str, str]
    selected: list[SelectedAnswer]


@router.post(
    "/v1/cases/{id}/decision",
    responses=FAILURES,
    openapi_extra=described(DecisionBody, {"verdict": "remove", "reason": "abusive", "moderator": "ann"}),
)
async def decide(id: str, request: Request) -> DecisionAnswer:
    """Decides an open case; the key needs the scope moderate."""
    here = service.of(request)
    key = await here.admit(request, "moderate")
    body = read(await request.body(), DecisionBody)

    def work(session: Session) -> DecisionAnswer:
        case = session.get(Case, id) if id.isalnum() else None
        if case is None:
            raise missing("case")
        decision = decisions.decide(
            session, case, body.verdict, by(session, key, body.moderator),
            reason=body.reason, note=body.note, law=body.law, revision=body.revision,
        )  # fmt: skip
        return _answers(session, [decision])[0]

    return await writing(here, work)


@router.post(
    "/v1/sites/{site}/comments/{id}/decision",
    responses=FAILURES,
    openapi_extra=described(DecisionBody, {"verdict": "feature", "moderator": "ann"}),
)
async def decide_comment(site: str, id: str, request: Request) -> DecisionAnswer:
    """Decides a comment, whether it has a case or not; the key needs the scope moderate."""
    here = service.of(request)
    key = await here.admit(request, "moderate")
    id = checked_id(id)
    body = read(await request.body(), DecisionBody)

    def work(session: Session) -> DecisionAnswer:
        sites.find(session, site)
        comment = session.scalars(select(Comment).filter_by(site_id=site, external_id=id)).first()
        if comment is None:
            raise missing("comment")
        decision = decisions.decide_comment(
            session, comment, body.verdict, by(session, key, body.moderator),
            reason=body.reason, note=body.note, law=body.law, revision=body.revision,
        )  # fmt: skip
        return _answers(session, [decision])[0]

    return await writing(here, work)


@router.post(
    "/v1/decisions/bulk",
    responses=FAILURES,
    openapi_extra=described(
        BulkBody,
        {
            "site": "daily", "verdict": "keep", "range": {"attribute": "report_worthy", "below": 0.1}, "count": 12,
            "dry_run": True,
        },
    ),
)  # fmt: skip
async def decide_bulk(request: Request) -> BulkAnswer:
    """Decides many cases at one stroke; the key needs the scope moderate."""
    here = service.of(request)
    key = await here.admit(request, "moderate")
    body = read(await request.body(), BulkBody)
    if (body.cases is None) == (body.range is None):
        raise ApiError(422, "invalid_request", "cases: expected cases or a range, and not both", "cases")

    def work(session: Session) -> BulkAnswer:
        sites.find(session, body.site)
        who = by(session, key, body.moderator)
        if body.cases is not None and not body.dry_run:
            made = bulk.decide_bulk(
                session, body.site, body.cases, body.verdict, who, reason=body.reason, note=body.note
            )
        elif body.range is None:
            raise invalid("dry_run", "expected a range to try")
        elif body.dry_run:
            found = bulk.select_range(session, body.site, body.range.wanted(), who)
            chosen = [SelectedAnswer(case=one.case, revision=one.revision, score=one.score) for one in found]
            return BulkAnswer(bulk=None, decisions=[], left={}, selected=chosen)
        elif body.count is None:
            raise invalid("count", "expected how many cases the range holds, so that none is decided uncounted")
        else:
            made = bulk.decide_range(
                session, body.site, body.range.wanted(), body.count, body.verdict, who,
                reason=body.reason, note=body.note,
            )  # fmt: skip
        ids = [decision.id for decision in made.decisions]
        return BulkAnswer(bulk=made.id, decisions=ids, left=dict(made.left), selected=[])

    return await (reading if body.dry_run else writing)(here, work)


@router.post("/v1/decisions/bulk/{id}/undo", responses=FAILURES, openapi_extra=described(UndoBody, {}))
async def undo_bulk(id: str, request: Request) -> BulkAnswer:
    """Takes back what was decided at one stroke, where it still can be; the key needs the scope moderate."""
    here = service.of(request)
    key = await here.admit(request, "moderate")
    body = read(await request.body() or b"{}", UndoBody)

    def work(session: Session) -> BulkAnswer:
        undone, left = decisions.undo_bulk(session, id if id.isalnum() else "", by(session, key, body.moderator))
        return BulkAnswer(bulk=id, decisions=[decision.id for decision in undone], left=left, selected=[])

    return await writing(here, work)


@router.post("/v1/decisions/{id}/undo", responses=FAILURES, openapi_extra=described(UndoBody, {}))
async def undo(id: str, request: Request) -> DecisionAnswer:
    """Takes a decision back, within the site's undo_seconds; the key needs the scope moderate."""
    here = service.of(request)
    key = await here.admit(request, "moderate")
    body = read(await request.body() or b"{}", UndoBody)

    def work(session: Session) -> DecisionAnswer:
        decision = decisions.undo(session, decisions.find(session, id), by(session, key, body.moderator))
        return _answers(session, [decision])[0]

    return await writing(here, work)


@router.get("/v1/decisions/{id}", responses=FAILURES)
async def get(id: str, request: Request) -> DecisionAnswer:
    """A decision; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    return await reading(here, lambda session: _answers(session, [decisions.find(session, id)])[0])


@router.get("/v1/decisions", responses=FAILURES)
async def every(
    request: Request,
    site: Annotated[str, Query(max_length=64)],
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=cursors.MOST)] = 50,
    comment: Annotated[str | None, Query(min_length=1, max_length=256, description="of this comment only")] = None,
) -> DecisionsAnswer:
    """A site's decisions, those of its policy too, the latest first; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    comment = checked_id(comment) if comment is not None else None

    def work(session: Session) -> DecisionsAnswer:
        sites.find(session, site)
        query = select(Decision).where(Decision.site_id == site).options(joinedload(Decision.comment))
        if comment is not None:
            query = query.where(Decision.comment.has(Comment.external_id == comment))
        rows, after = cursors.page(session, query, Decision.at, Decision.id, cursor, limit)
        return DecisionsAnswer(decisions=_answers(session, rows), cursor=after)

    return await reading(here, work)


def _answers(session: Session, rows: Any) -> list[DecisionAnswer]:
    who = {row.moderator_id for row in rows if row.moderator_id is not None}
    names = dict(session.execute(select(Moderator.id, Moderator.name).where(Moderator.id.in_(who))).all())
    return [
        DecisionAnswer(
            id=row.id,
            site=row.site_id,
            comment=row.comment.external_id,
            revision=row.revision,
            case=row.case_id,
            action=row.action,
            reason=row.reason,
            note=row.note,
            law=row.law,
            actor=row.actor,
            moderator=names.get(row.moderator_id),
            key=row.key_id,
            bulk=row.bulk_id,
            at=row.at,
            model=row.model,
            scores=row.scores,
            rule=row.rule,
            undone_at=row.undone_at,
            overturned_at=row.overturned_at,
        )
        for row in rows
    ]
