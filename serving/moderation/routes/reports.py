"""`/v1/reports`: readers' reports. Pages of any origin may call it, with a key that has the scope reports only."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from serving import service, triage
from serving.dialects.bodies import described, read
from serving.dialects.dialect import failures
from serving.errors import ApiError, ErrorResponse
from serving.keys import Key
from serving.moderation import comments, reports, sites
from serving.moderation.comments import Given
from serving.moderation.notices import ACKNOWLEDGEMENT
from serving.moderation.reports import Filed, Filing, ReporterPart, ReportState
from serving.moderation.routes.comments import scored
from serving.moderation.routes.complaints import complaints
from serving.moderation.submissions import OutsideId, Part, StoryPart, Submission, Text, When, Word
from serving.store import now

router = APIRouter(tags=["reports"])
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 413, 422, 429, 503)


class Reported(Part):
    """What is reported: a comment's id, and the comment itself where its system does not send it."""

    id: OutsideId
    text: Text | None = None
    parent: OutsideId | None = None
    story: StoryPart | None = None
    section: Word | None = None
    posted_at: When | None = None

    def submission(self) -> Submission | None:
        """The comment itself, if it is there."""
        if self.text is None:
            return None
        return Submission(
            text=self.text, parent=self.parent, story=self.story, section=self.section, posted_at=self.posted_at
        )


def _by_id(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


Which = Annotated[Reported, BeforeValidator(_by_id)]


class ReportBody(Filing):
    """One reader's report of one comment, for one reason."""

    site: str = Field(max_length=64)
    comment: Which = Field(description="its id, or an object with its id and text")


class WithdrawBody(Part):
    """Which reports to take back: one reader's of one comment, of one reason or of all."""

    site: str = Field(max_length=64)
    comment: Which
    reporter: ReporterPart
    reason: triage.Reason | None = None


class ReportAnswer(BaseModel):
    """What a page can show. `state`: received; already_reported by this reader; kept or removed by a moderator.

    `acknowledgement`: of a notice of illegal content, to be shown to who gave it (DSA Art. 16(4)).
    """

    case: str | None
    state: ReportState
    acknowledgement: str | None = None


class WithdrawAnswer(BaseModel):
    """How many reports were taken back."""

    withdrawn: int


EXAMPLE = {
    "site": "demo",
    "comment": "c1",
    "reporter": {"id": "reader-9"},
    "reason": "abusive",
    "details": "Insults me.",
}


@router.post("/v1/reports", responses=FAILURES, openapi_extra=described(ReportBody, EXAMPLE))
async def file(request: Request) -> ReportAnswer:
    """Files a report; the same again changes nothing. The key needs the scope reports."""
    here = service.of(request)
    key = await here.admit(request, "reports")
    body = read(await request.body(), ReportBody)
    here.access.spend(key, 1)
    request.state.answer_headers = here.access.remaining(key)
    # A page is in its reader's hands: only the comment system's own key can say how a comment reads now, and how old
    # an account is.
    trusted = key is None or key.may("comments")
    submission = body.comment.submission()
    if submission and not trusted and await to_thread.run_sync(_known, here, body.site, body.comment.id):
        submission = None
    given = await _scores(here, request, key, body, submission) if submission else None

    def work(session: Session) -> tuple[Filed, bool]:
        with complaints():
            moment, held = now(), False
            if submission:
                site = sites.find(session, body.site)
                made = comments.submit(
                    session, site, body.comment.id, submission, given, moment, from_reader=not trusted
                )
                held = made.case is not None
                session.flush()
            return reports.file(session, body.site, body.comment.id, body, moment, believed=trusted), held

    try:
        filed, held = await here.writer.do(work)
    except ApiError as error:
        if error.code == "too_many_reports":
            here.metrics.reports.labels("limited").inc()
        raise
    here.metrics.reports.labels(filed.state).inc()
    if filed.opened or held:
        here.metrics.cases_opened.labels("report" if filed.opened else "policy").inc()
    return ReportAnswer(case=filed.case, state=filed.state, acknowledgement=ACKNOWLEDGEMENT if body.notice else None)


@router.post(
    "/v1/reports/withdraw",
    responses=FAILURES,
    openapi_extra=described(WithdrawBody, {"site": "demo", "comment": "c1", "reporter": {"id": "reader-9"}}),
)
async def withdraw(request: Request) -> WithdrawAnswer:
    """Takes a reader's reports of a comment back that nobody has decided on yet; the key needs the scope reports."""
    here = service.of(request)
    key = await here.admit(request, "reports")
    body = read(await request.body(), WithdrawBody)
    here.access.spend(key, 1)
    request.state.answer_headers = here.access.remaining(key)

    def work(session: Session) -> int:
        with complaints():
            site = sites.find(session, body.site)
            comment = comments.find(session, site.id, body.comment.id)
            return reports.withdraw(session, site, comment, body.reporter.id, body.reason, now())

    count = await here.writer.do(work)
    here.metrics.reports.labels("withdrawn").inc(count)
    return WithdrawAnswer(withdrawn=count)


async def _scores(
    here: service.Service, request: Request, key: Key | None, body: ReportBody, submission: Submission
) -> Given | None:
    def settled() -> bool:
        with complaints(), here.store.session() as session:
            site = sites.find(session, body.site)
            return comments.settled(session, site.id, body.comment.id, submission.text)

    return None if await to_thread.run_sync(settled) else await scored(here, request, key, submission.text, cost=0)


def _known(here: service.Service, site: str, comment: str) -> bool:
    with complaints(), here.store.session() as session:
        return comments.known(session, sites.find(session, site).id, comment) is not None
