"""`/v1/queue` and `/v1/cases`: what waits for a moderator, likeliest to be upheld first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema
from sqlalchemy.orm import Session

from labels import taxonomy
from serving import service
from serving.dialects.bodies import described, parameters, queried, read
from serving.dialects.dialect import failures
from serving.errors import ApiError, ErrorResponse
from serving.moderation import casefiles, moderators, queue, sites
from serving.moderation.casefiles import Casefile, Detail
from serving.moderation.moderators import ModeratorError
from serving.moderation.queue import MOST, Filters
from serving.moderation.routes.complaints import complaints
from serving.moderation.submissions import Part
from serving.moderation.tables import Moderator, Origin, State
from serving.schemas import Score
from serving.service import Service
from serving.store import now
from serving.triage import Reason

router = APIRouter(tags=["queue"])
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 422, 431, 503)
CLAIMED = failures(ErrorResponse, 409)
SKIPPED = 1000  # cases that a moderator may pass over


def _attribute(name: str) -> str:
    if name not in taxonomy.load().names:
        raise ValueError("expected an attribute's name, as /v1/attributes lists them")
    return name


Attribute = Annotated[
    str, AfterValidator(_attribute), WithJsonSchema({"type": "string", "enum": list(taxonomy.load().names)})
]


class FilterPart(Part):
    """Which cases; without a filter, all. `at_least`: the text's score of `attribute`, 0..1."""

    site: list[str] = Field([], max_length=1000, description="ids of sites; none: all")
    section: str | None = Field(None, max_length=100)
    reason: Reason | None = Field(None, description="stated by a standing report")
    attribute: Attribute | None = None
    at_least: Score = 0.0
    origin: Origin | None = None
    escalated: bool | None = None

    def filters(self, claimed: bool | None = None) -> Filters:
        """The same for the queue."""
        return Filters(self.section, self.reason, self.attribute, self.at_least, self.origin, self.escalated, claimed)

    def wanted(self, here: Service) -> list[str]:
        """The sites that are asked for. Raises SiteError."""
        with here.store.session() as session:
            return [sites.find(session, site).id for site in self.site] or [each.id for each in sites.every(session)]


class QueueQuery(FilterPart):
    """A page of the queue."""

    claimed: bool | None = Field(None, description="whether a moderator has it now")
    cursor: str | None = Field(None, max_length=500, description="of the page before")
    limit: int = Field(50, ge=1, le=MOST)


class ClaimBody(Part):
    """Who claims or releases: the name that a moderator logs in with."""

    moderator: str = Field(min_length=1, max_length=100)


class NextBody(FilterPart, ClaimBody):
    """The next case for a moderator. `skip`: ids of cases passed over."""

    skip: list[str] = Field([], max_length=SKIPPED)


class Line(BaseModel):
    """One reason of a case's place in the queue; the log-odds of all lines add up to the case's."""

    words: str
    log_odds: float


class ClaimAnswer(BaseModel):
    """Who holds a case, and until when."""

    moderator: str
    until: datetime


class CaseComment(BaseModel):
    """The comment of a case, as it stands. `text` is null where none is kept. `from_reader`: the text came with a
    report, from a page; the comment system has not sent it.
    """

    id: str
    state: State
    featured: bool
    revision: int
    text: str | None
    parent: str | None
    posted_at: datetime
    do_not_store: bool
    from_reader: bool
    author: str | None
    author_name: str | None
    story: str | None
    story_title: str | None
    story_url: str | None
    section: str | None


class CaseAnswer(BaseModel):
    """A case. `log_odds` of P(upheld) = `probability`, and `why`, are as it ranked last. `reasons` counts the standing
    reports by reason.
    """

    id: str
    site: str
    origin: Origin
    opened_at: datetime
    closed_at: datetime | None
    escalated: bool
    claim: ClaimAnswer | None
    probability: float
    log_odds: float
    why: list[Line]
    reasons: dict[str, int]
    model: str | None
    scores: dict[str, Score] | None
    comment: CaseComment


class QueueAnswer(BaseModel):
    """Cases in order; `cursor` of the next page, null at the end."""

    cases: list[CaseAnswer]
    cursor: str | None


class HeardAnswer(BaseModel):
    """A report, with its reader's record: of `decided` past reports so many `upheld`, older ones counting less, and the
    precision that this makes likely. `outcome` is null until it is decided.
    """

    reason: str
    revision: int
    at: datetime
    withdrawn: bool
    outcome: bool | None
    details: str | None
    notice: dict[str, Any] | None
    upheld: float
    decided: float
    precision: float


class DecidedAnswer(BaseModel):
    """What was decided on the comment."""

    id: str
    action: str
    actor: str
    at: datetime
    revision: int
    reason: str | None
    note: str | None
    undone: bool
    overturned: bool


class DetailAnswer(CaseAnswer):
    """A case with its reports, oldest first, and the decisions on its comment, latest first."""

    reports: list[HeardAnswer]
    decisions: list[DecidedAnswer]


class NextAnswer(BaseModel):
    """The case, claimed; null if there is none left."""

    case: DetailAnswer | None


@router.get("/v1/queue", responses=FAILURES, openapi_extra=parameters(QueueQuery))
async def read_queue(request: Request) -> QueueAnswer:
    """Open cases, likeliest to be upheld first; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    query = queried(request, QueueQuery)

    def work() -> QueueAnswer:
        with complaints():
            moment, wanted = now(), query.wanted(here)
            here.ranker.refresh(wanted, moment)
            with here.store.session() as session:
                filters = query.filters(query.claimed)
                page = queue.page(session, wanted, filters, query.cursor, query.limit, moment)
                found = [_answer(file) for file in casefiles.load(session, page.cases, moment)]
                return QueueAnswer(cases=found, cursor=page.cursor)

    return await to_thread.run_sync(work)


@router.post("/v1/queue/next", responses=FAILURES, openapi_extra=described(NextBody, {"moderator": "ada"}))
async def claim_next(request: Request) -> NextAnswer:
    """Claims the first case that nobody has, for a moderator; two never get the same. The scope is moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    body = read(await request.body(), NextBody)

    def rank() -> list[str]:
        with complaints():
            wanted = body.wanted(here)
            here.ranker.refresh(wanted, now())
            return wanted

    wanted = await to_thread.run_sync(rank)

    def work(session: Session) -> NextAnswer:
        with complaints():
            moment, moderator = now(), _moderator(session, body.moderator)
            case = queue.next_case(session, wanted, moderator.id, body.filters(), moment, body.skip)
            return NextAnswer(case=_detail(casefiles.detail(session, case, moment)) if case else None)

    return await here.writer.do(work)


@router.get("/v1/cases/{case}", responses=FAILURES)
async def get_case(case: str, request: Request) -> DetailAnswer:
    """A case with its reports and decisions; the key needs the scope moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")

    def work() -> DetailAnswer:
        with complaints(), here.store.session() as session:
            return _detail(casefiles.detail(session, queue.find(session, case), now()))

    return await to_thread.run_sync(work)


@router.post(
    "/v1/cases/{case}/claim", responses=FAILURES | CLAIMED, openapi_extra=described(ClaimBody, {"moderator": "ada"})
)
async def claim(case: str, request: Request) -> DetailAnswer:
    """Claims a case for a moderator, or makes the moderator's claim last longer; the scope is moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    body = read(await request.body(), ClaimBody)

    def work(session: Session) -> DetailAnswer:
        with complaints():
            row, moderator = queue.find(session, case), _moderator(session, body.moderator)
            if not queue.claim(session, row.id, moderator.id, now()):
                raise ApiError(409, "claimed", "case: another moderator has it, or it is decided", "case")
            return _detail(casefiles.detail(session, row, now()))

    return await here.writer.do(work)


@router.post(
    "/v1/cases/{case}/release", responses=FAILURES | CLAIMED, openapi_extra=described(ClaimBody, {"moderator": "ada"})
)
async def release(case: str, request: Request) -> DetailAnswer:
    """Gives a claimed case back to the queue; the scope is moderate."""
    here = service.of(request)
    await here.admit(request, "moderate")
    body = read(await request.body(), ClaimBody)

    def work(session: Session) -> DetailAnswer:
        with complaints():
            row, moderator = queue.find(session, case), _moderator(session, body.moderator)
            if not queue.release(session, row.id, moderator.id):
                raise ApiError(409, "not_claimed", "case: this moderator does not have it", "case")
            return _detail(casefiles.detail(session, row, now()))

    return await here.writer.do(work)


def _moderator(session: Session, name: str) -> Moderator:
    try:
        found = moderators.find(session, name)
    except ModeratorError:
        found = None
    if found is None or found.disabled_at:
        raise ApiError(422, "unknown_moderator", "moderator: nobody of this name may moderate here", "moderator")
    return found


def _answer(file: Casefile) -> CaseAnswer:
    return CaseAnswer(**_fields(file))


def _detail(detail: Detail) -> DetailAnswer:
    return DetailAnswer(
        **_fields(detail.file),
        reports=[
            HeardAnswer(
                reason=heard.report.reason,
                revision=heard.report.revision,
                at=heard.report.at,
                withdrawn=heard.report.withdrawn_at is not None,
                outcome=heard.report.upheld,
                details=heard.report.details,
                notice=heard.report.notice,
                upheld=heard.record.upheld,
                decided=heard.record.decided,
                precision=heard.record.precision,
            )
            for heard in detail.reports
        ],
        decisions=[
            DecidedAnswer(
                id=decision.id,
                action=decision.action,
                actor=decision.actor,
                at=decision.at,
                revision=decision.revision,
                reason=decision.reason,
                note=decision.note,
                undone=decision.undone_at is not None,
                overturned=decision.overturned_at is not None,
            )
            for decision in detail.decisions
        ],
    )


def _fields(file: Casefile) -> dict[str, Any]:
    case, comment = file.case, file.case.comment
    author, story = comment.author, comment.story
    return {
        "id": case.id,
        "site": case.site_id,
        "origin": case.origin,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "escalated": case.escalated,
        "claim": ClaimAnswer(moderator=file.claim.moderator, until=file.claim.until) if file.claim else None,
        "probability": file.probability,
        "log_odds": round(case.log_odds, 2),
        "why": [Line(words=line.words, log_odds=line.log_odds) for line in file.lines],
        "reasons": dict(file.reasons),
        "model": file.model,
        "scores": file.scores,
        "comment": CaseComment(
            id=comment.external_id,
            state=comment.state,
            featured=comment.featured,
            revision=comment.revision,
            text=file.text,
            parent=comment.parent_external_id,
            posted_at=comment.posted_at,
            do_not_store=comment.do_not_store,
            from_reader=comment.from_reader,
            author=author.external_id if author else None,
            author_name=author.name if author else None,
            story=story.external_id if story else None,
            story_title=story.title if story else None,
            story_url=story.url if story else None,
            section=story.section if story else None,
        ),
    }
