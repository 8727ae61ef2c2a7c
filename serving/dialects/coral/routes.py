"""`POST /coral/moderate`: the External Moderation Phase of Coral."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from serving import policy, service
from serving.dialects.bodies import complaint, inlined, load
from serving.dialects.coral.answers import answer
from serving.dialects.coral.markup import addresses_of, text_of
from serving.dialects.coral.schemas import ModerationAnswer, ModerationRequest
from serving.dialects.coral.signature import HEADER, verified
from serving.dialects.dialect import failures
from serving.engine import DeadlineError, Scored
from serving.errors import ApiError, ErrorResponse
from serving.policy import AuthorFacts, Facts
from serving.schemas import MAX_TEXT_BYTES, too_long
from serving.service import Service
from serving.sites import Site, Sites
from serving.text import visible

STAFF = frozenset({"STAFF", "MODERATOR", "ADMIN"})
# The longest comment with each character in tags or escapes; more is no comment, and is not even parsed.
MAX_BODY_BYTES = 16 * MAX_TEXT_BYTES
STRANGER = (secrets.token_hex(32),)  # what the signature of an unknown site is compared with: it takes as long

ERRORS = failures(ErrorResponse, 401, 413, 422, 429, 503, 504)
DESCRIBED: dict[str, Any] = {
    "security": [],  # no API key: the signature
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
            "description": "sha256=HEX of the raw body, by each secret, comma-separated",
        }
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": inlined(ModerationRequest)}}},
}

router = APIRouter(tags=["coral"])


@router.post(
    "/coral/moderate",
    response_model=ModerationAnswer,
    responses=ERRORS | {204: {"description": "no opinion"}},
    openapi_extra=DESCRIBED,
)
async def moderate(request: Request) -> Response:
    """Decides on a comment by its site's rules. The signature is what admits a caller, as Coral has no API key.

    Coral publishes what it gets no answer for, so every failure is an error, never an empty answer.
    """
    loop = asyncio.get_running_loop()
    began, here = loop.time(), service.of(request)
    site, message = _admitted(here.sites, await request.body(), request.headers.get(HEADER, ""))
    if message.author.role in STAFF:
        return Response(status_code=204)
    text = _text(message, site)
    if not visible(text):  # a picture, a rating: nothing to have an opinion of
        return Response(status_code=204)
    scored = await _scored(here, request, text, began + site.deadline)
    scores = scored.scores[0]
    log = structlog.get_logger().bind(site=message.site.id[:64], request_id=request.state.request_id)
    asked = [rule.attribute for rule in site.rules if rule.attribute is not None]
    if unscored := [attribute for attribute in asked if attribute not in scores]:
        log.warning("a rule asks for what this model does not score", attribute=unscored[0])
    facts = Facts(author=AuthorFacts(role=message.author.role), links=_links(message, site))
    reason = policy.first_match(site.rules, scores, facts)
    log.info("coral decision", action=reason.action if reason else None, rule=reason.rule if reason else None)
    found = answer(reason, site, scored.model, scores) if reason else None
    return Response(found.wire(), media_type="application/json") if found else Response(status_code=204)


def _admitted(sites: Sites, body: bytes, header: str) -> tuple[Site, ModerationRequest]:
    """The site that signed, and what it asks. Raises ApiError: one and the same for all that is not signed."""
    if len(body) > MAX_BODY_BYTES:
        raise ApiError(413, "body_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")
    # The body names the site, so it has to be read before it is trusted: it is, for this one name.
    content = _content(body)
    named = _site_id(content)
    site = sites.find(named) if named is not None else None
    if not verified(body, header, site.secrets if site else STRANGER) or site is None:
        # Why goes to the log only, with an id that may be anybody's invention: short, and escaped as JSON.
        why = "bad signature" if site else "unknown site" if named is not None else "no site in the body"
        structlog.get_logger().warning("coral request refused", reason=why, site=(named or "")[:64])
        raise ApiError(
            401, "invalid_signature", "The request is not signed with a secret of its site.",
            headers={"WWW-Authenticate": HEADER},
        )  # fmt: skip
    try:
        return site, ModerationRequest.model_validate(content)
    except ValidationError as error:
        raise complaint(error, content) from None


def _content(body: bytes) -> Any:
    try:
        return load(body)
    except (ValueError, RecursionError):
        return None


def _site_id(content: Any) -> str | None:
    site = content.get("site") if isinstance(content, dict) else None
    found = site.get("id") if isinstance(site, dict) else None
    return found if isinstance(found, str) else None


def _text(message: ModerationRequest, site: Site) -> str:
    """What of the comment is scored. Raises ApiError text_too_long: cut, it could hide its end."""
    body = message.comment.body
    text = text_of(body) if site.format == "HTML" else body
    if rule := too_long(text):
        raise ApiError(422, "text_too_long", f"comment.body: {rule}", "comment.body")
    return text


def _links(message: ModerationRequest, site: Site) -> int:
    """How many web addresses the comment leads to."""
    body = message.comment.body
    return policy.count_links(addresses_of(body) if site.format == "HTML" else body)


async def _scored(here: Service, request: Request, text: str, until: float) -> Scored:
    """The scores, by the time `until` of the event loop. Raises EngineError."""
    try:
        async with asyncio.timeout_at(until):
            return await here.score(request, None, [text])
    except TimeoutError:
        here.metrics.deadlines.inc()
        raise DeadlineError("The scores were not ready before Coral stops waiting.") from None
