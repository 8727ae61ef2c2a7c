"""`/v1/sites/{site}/comments/{comment}`: comments, as their system sends them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from serving import service
from serving.artifact import Manifest
from serving.dialects.bodies import described, read
from serving.dialects.dialect import failures
from serving.engine import EngineError
from serving.errors import ApiError, ErrorResponse
from serving.keys import Key
from serving.moderation import cases, comments, sites
from serving.moderation.comments import Given
from serving.moderation.routes.complaints import complaints
from serving.moderation.submissions import Submission
from serving.moderation.tables import Comment, Decision, State
from serving.schemas import Score
from serving.store import now

router = APIRouter(tags=["comments"])
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 413, 422, 429, 503)
EXAMPLE = {
    "text": "You absolute clown, resign.",
    "author": {"id": "reader-7"},
    "story": {"id": "s1", "title": "Council votes to close the road", "section": "local"},
}


class DecisionAnswer(BaseModel):
    """What was decided, by a policy or a person, and why. `nudge`: nothing is stored; ask the author to reword.

    `reasons` are the policy's rules that spoke, with score and threshold; `why` is rule, no_rule, missing_score (so a
    person decides), disagreement (the same) or removed_before (a moderator had removed the wording before).
    `reason` is the code of the house rule that a moderator named.
    """

    id: str | None = None
    action: Literal["accept", "hold", "flag", "reject", "feature", "nudge", "keep", "remove", "escalate"]
    by: Literal["policy", "moderator", "key"]
    at: datetime | None = None
    why: str | None = None
    reasons: list[dict[str, Any]] = []
    reason: str | None = None
    words: str | None = Field(None, description="for the author")


class CommentAnswer(BaseModel):
    """A comment as it stands. `state` tells whether to show it; `not_stored` after a nudge, `deleted` by its author.

    `scores` are calibrated, null if the text could not be scored yet.
    """

    site: str
    id: str
    state: State | Literal["deleted", "not_stored"]
    featured: bool = False
    revision: int = Field(0, description="of the text, from 1; 0 if it is not stored")
    model: str | None = None
    scores: dict[str, Score] | None = None
    decision: DecisionAnswer | None = None
    case: str | None = Field(None, description="its open case")


@router.put("/v1/sites/{site}/comments/{comment}", responses=FAILURES, openapi_extra=described(Submission, EXAMPLE))
async def put(site: str, comment: str, request: Request) -> CommentAnswer:
    """Takes a comment, or a new wording of it, scores it and decides by the site's policy; the key needs the scope
    comments. The same again changes nothing. A comment that cannot be scored now is kept all the same, and held.
    """
    here = service.of(request)
    key = await here.admit(request, "comments")
    checked_id(comment)
    submission = read(await request.body(), Submission)
    settled = await to_thread.run_sync(_settled, here, site, comment, submission)
    given = None if settled else await scored(here, request, key, submission.text)
    if submission.nudge and given:
        nudge = await to_thread.run_sync(_nudge, here, site, comment, submission, given)
        if nudge:
            here.metrics.comments.labels("nudge").inc()
            return nudge

    def work(session: Session) -> tuple[CommentAnswer, bool, bool]:
        with complaints():
            found = comments.submit(session, sites.find(session, site), comment, submission, given, now())
        return answer(session, found.comment), found.changed, found.case is not None

    found, changed, opened = await here.writer.do(work)
    outcome = found.decision.action if changed and found.decision else "known"
    here.metrics.comments.labels(outcome).inc()
    if opened:
        here.metrics.cases_opened.labels("policy").inc()
    return found


@router.get("/v1/sites/{site}/comments/{comment}", responses=FAILURES)
async def get(site: str, comment: str, request: Request) -> CommentAnswer:
    """A comment's state, scores and latest decision; the key needs the scope comments."""
    here = service.of(request)
    await here.admit(request, "comments")

    def work() -> CommentAnswer:
        with complaints(), here.store.session() as session:
            return answer(session, comments.find(session, sites.find(session, site).id, checked_id(comment)))

    return await to_thread.run_sync(work)


@router.delete("/v1/sites/{site}/comments/{comment}", responses=FAILURES)
async def delete(site: str, comment: str, request: Request) -> CommentAnswer:
    """Forgets the text of a comment that its author took back; the key needs the scope comments."""
    here = service.of(request)
    key = await here.admit(request, "comments")

    def work(session: Session) -> CommentAnswer:
        with complaints():
            row = sites.find(session, site)
            found = comments.find(session, row.id, checked_id(comment))
            comments.delete(session, row, found, actor_of(key), now())
            return answer(session, found)

    return await here.writer.do(work)


def answer(session: Session, comment: Comment) -> CommentAnswer:
    """A comment as its system is told of it: no note of a moderator is in it."""
    decision = comments.latest_decision(session, comment)
    model, scores = cases.scored(session, comment) or (None, None)
    return CommentAnswer(
        site=comment.site_id,
        id=comment.external_id,
        state="deleted" if comment.deleted_at else comment.state,
        featured=comment.featured,
        revision=comment.revision,
        model=model,
        scores=scores,
        decision=_decision(decision) if decision else None,
        case=cases.open_id(session, comment.id),
    )


async def scored(here: service.Service, request: Request, key: Key | None, text: str, cost: int = 1) -> Given | None:
    """Scores of a text; None if there are none now, which loses nothing: a person decides. Raises ApiError if the key
    may not have `cost` more comments scored.
    """
    try:
        found = await here.score(request, key, [text], cost)
    except EngineError:
        return None
    return Given(model_name(found.model), dict(found.scores[0]))


def model_name(manifest: Manifest) -> str:
    """Name and version, as scores are stored under."""
    return f"{manifest.name} {manifest.version}"


def actor_of(key: Key | None) -> str:
    """The caller in the audit log."""
    return f"key:{key.id}" if key else "local"


def checked_id(comment: str) -> str:
    """An id out of a path. Raises ApiError."""
    if not 1 <= len(comment) <= 256 or "\0" in comment:
        raise ApiError(422, "invalid_request", "id: expected 1 to 256 characters", "id")
    return comment


def _settled(here: service.Service, site: str, comment: str, submission: Submission) -> bool:
    with complaints(), here.store.session() as session:
        return comments.settled(session, sites.find(session, site).id, comment, submission.text)


def _nudge(
    here: service.Service, site: str, comment: str, submission: Submission, given: Given
) -> CommentAnswer | None:
    """The answer that asks the author to reword; None if the policy has no need of it."""
    with here.store.session() as session:
        found = comments.judge(session, site, comment, submission, given, now())
    if found.nudge is None:
        return None
    decision = _ruled(found.record(), "nudge", found.nudge)
    return CommentAnswer(
        site=site, id=comment, state="not_stored", model=given.model, scores=dict(given.scores), decision=decision
    )


def _decision(decision: Decision) -> DecisionAnswer:
    if decision.actor != "policy":
        return DecisionAnswer(
            id=decision.id, action=decision.action, by=decision.actor, at=decision.at, reason=decision.reason
        )
    found = _ruled(decision.rule or {}, decision.action, None)
    found.id, found.at = decision.id, decision.at
    return found


def _ruled(record: dict[str, Any], action: Any, nudge: str | None) -> DecisionAnswer:
    reasons = record.get("reasons", [])
    said = next((reason["reason"] for reason in reasons if "reason" in reason), None)
    return DecisionAnswer(action=action, by="policy", why=record.get("why"), reasons=reasons, words=nudge or said)
