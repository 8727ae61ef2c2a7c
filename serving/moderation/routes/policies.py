"""`/v1/sites/{site}/policy` and its versions: what happens to a comment before anybody has looked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from serving import service
from serving.dialects.bodies import described, read
from serving.dialects.dialect import failures
from serving.errors import ErrorResponse
from serving.moderation import policies, sites
from serving.moderation.routes.calls import actor, reading, writing
from serving.moderation.submissions import Part
from serving.moderation.tables import Policy, PolicyState
from serving.paths import NUMBER
from serving.policy import DEFAULT_SOURCE, PolicyError, parse
from serving.policy.words import describe

router = APIRouter(tags=["policies"])
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 413, 422, 503)
CONFLICT = failures(ErrorResponse, 409)
EXAMPLE = {"source": DEFAULT_SOURCE, "note": "as it comes"}
MOST = 20_000  # comments of one backtest


class SourceBody(Part):
    """A policy, as its file is written. docs/policy.md has the language."""

    source: str = Field(description="TOML, at most 64 KiB")
    note: str | None = Field(None, max_length=policies.MAX_NOTE, description="what it is for")


class StateBody(Part):
    """The state that a version is to have."""

    state: PolicyState


class BacktestBody(Part):
    """A draft to test against the live policy, on the latest `limit` comments. `examples`: of each kind of change."""

    source: str
    limit: int = Field(5000, ge=1, le=MOST, strict=True)
    examples: int = Field(3, ge=0, le=20, strict=True)


class VersionAnswer(BaseModel):
    """A version, without its text."""

    version: int
    state: PolicyState
    note: str | None
    created_at: datetime
    changed_at: datetime


class PolicyAnswer(BaseModel):
    """A policy with its rules in words. `version` and `state` are null and `default` where a site has none of its own.

    `problem`: what makes it invalid since an upgrade; while it is live, every comment is held.
    """

    version: int | None
    state: PolicyState | Literal["default"]
    note: str | None = None
    source: str
    words: list[str] = []
    problem: str | None = None


class VersionsAnswer(BaseModel):
    """The versions of a site, the latest first."""

    versions: list[VersionAnswer]


class BacktestAnswer(BaseModel):
    """What would change: `matrix` counts comments by action, `old` is the live policy and `new` the draft.

    Of each: how many by action, `deferred` to a person because rules disagree or scores are missing, `expected`
    precision by the calibration, and `agreement` with what moderators decided, null if they decided none.
    """

    rows: int
    changed: int
    matrix: list[dict[str, Any]]
    old: dict[str, Any]
    new: dict[str, Any]
    examples: list[dict[str, Any]]


@router.get("/v1/sites/{site}/policy", responses=FAILURES)
async def live(site: str, request: Request) -> PolicyAnswer:
    """The live policy; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work(session: Session) -> PolicyAnswer:
        return _live(session, sites.find(session, site).id)

    return await reading(here, work)


@router.put("/v1/sites/{site}/policy", responses=FAILURES, openapi_extra=described(SourceBody, EXAMPLE))
async def put(site: str, request: Request) -> PolicyAnswer:
    """Makes a text the live policy, as a new version unless it is live already; the key needs the scope admin."""
    here = service.of(request)
    key = await here.admit(request, "admin")
    body = read(await request.body(), SourceBody)

    def work(session: Session) -> PolicyAnswer:
        found = sites.find(session, site).id
        if _live(session, found).source != body.source or policies.live(session, found).version is None:
            row = policies.save(session, found, body.source, actor=actor(key), note=body.note)
            policies.change(session, found, row.version, "live", actor=actor(key))
        return _live(session, found)

    return await writing(here, work)


@router.get("/v1/sites/{site}/policies", responses=FAILURES)
async def versions(site: str, request: Request) -> VersionsAnswer:
    """All versions; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work(session: Session) -> VersionsAnswer:
        rows = policies.versions(session, sites.find(session, site).id)
        return VersionsAnswer(versions=[_version(row) for row in rows])

    return await reading(here, work)


@router.post(
    "/v1/sites/{site}/policies", status_code=201, responses=FAILURES, openapi_extra=described(SourceBody, EXAMPLE)
)
async def save(site: str, request: Request) -> VersionAnswer:
    """Keeps a text as the next version, a draft; the key needs the scope admin."""
    here = service.of(request)
    key = await here.admit(request, "admin")
    body = read(await request.body(), SourceBody)

    def work(session: Session) -> VersionAnswer:
        found = sites.find(session, site).id
        return _version(policies.save(session, found, body.source, actor=actor(key), note=body.note))

    return await writing(here, work)


@router.post(
    "/v1/sites/{site}/policies/backtest",
    responses=FAILURES,
    openapi_extra=described(BacktestBody, {"source": DEFAULT_SOURCE}),
)
async def backtest(site: str, request: Request) -> BacktestAnswer:
    """What would change if a text went live, on the site's own comments; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    body = read(await request.body(), BacktestBody)

    def work(session: Session) -> BacktestAnswer:
        report = policies.backtest(session, site, body.source, limit=body.limit, examples=body.examples)
        return BacktestAnswer.model_validate(report.record())

    return await reading(here, work)


@router.get(f"/v1/sites/{{site}}/policies/{{version:{NUMBER}}}", responses=FAILURES)
async def version(site: str, version: int, request: Request) -> PolicyAnswer:
    """A version with its text; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work(session: Session) -> PolicyAnswer:
        return _whole(policies.find(session, sites.find(session, site).id, version))

    return await reading(here, work)


@router.put(
    f"/v1/sites/{{site}}/policies/{{version:{NUMBER}}}/state",
    responses=FAILURES | CONFLICT,
    openapi_extra=described(StateBody, {"state": "shadow"}),
)
async def change(site: str, version: int, request: Request) -> VersionAnswer:
    """Puts a version into another state; live and shadow displace the one that was there. The key needs the scope
    admin.
    """
    here = service.of(request)
    key = await here.admit(request, "admin")
    body = read(await request.body(), StateBody)

    def work(session: Session) -> VersionAnswer:
        found = sites.find(session, site).id
        return _version(policies.change(session, found, version, body.state, actor=actor(key)))

    return await writing(here, work)


def _live(session: Session, site: str) -> PolicyAnswer:
    number = policies.live(session, site).version
    if number is not None:
        return _whole(policies.find(session, site, number))
    return PolicyAnswer(version=None, state="default", source=DEFAULT_SOURCE, words=describe(parse(DEFAULT_SOURCE)))


def _whole(row: Policy) -> PolicyAnswer:
    found = PolicyAnswer(version=row.version, state=row.state, note=row.note, source=row.source)
    try:
        found.words = describe(parse(row.source))
    except PolicyError as error:
        found.problem = str(error)
    return found


def _version(row: Policy) -> VersionAnswer:
    return VersionAnswer.model_validate(row, from_attributes=True)
