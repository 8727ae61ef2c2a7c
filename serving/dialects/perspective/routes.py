"""The four paths of Perspective."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from serving import service
from serving.access import secrets_of
from serving.dialects.bodies import ByHand, described
from serving.dialects.dialect import failures, request_id
from serving.dialects.perspective import batch, discovery, schemas
from serving.dialects.perspective.analyze import analyze
from serving.dialects.perspective.errors import envelope
from serving.dialects.perspective.suggest import suggest
from serving.engine import EngineError
from serving.errors import ApiError, of_engine, of_store
from serving.keys import Key, Scope
from serving.service import Service

ANALYZE, SUGGEST, DISCOVERY = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore", "/$discovery/rest"
ERRORS = failures(schemas.ErrorAnswer, 400, 403, 413, 429, 503, 504)
EXAMPLE = {"comment": {"text": "You absolute clown, resign."}}
ANALYZE_EXAMPLE: dict[str, Any] = EXAMPLE | {"requestedAttributes": {"TOXICITY": {}}}
SUGGEST_EXAMPLE: dict[str, Any] = EXAMPLE | {
    "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
    "doNotStore": True,
}
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # made once
AT_ONCE = 64  # parts of one batch that are in the engine at a time
SPANNED = re.compile(rb"span_?annotations", re.IGNORECASE)

router = APIRouter(route_class=ByHand, tags=["perspective"])


class Json(JSONResponse):
    """JSON as Google labels it."""

    media_type = "application/json; charset=UTF-8"


@router.post(
    ANALYZE,
    response_model=schemas.AnalyzeCommentResponse,
    responses=ERRORS,
    openapi_extra=described(schemas.AnalyzeCommentRequest, ANALYZE_EXAMPLE),
)
async def analyze_comment(request: Request) -> Response:
    """Scores one comment for the requested attributes."""
    return _answer(await _call(request, ANALYZE))


@router.post(
    SUGGEST,
    response_model=schemas.SuggestCommentScoreResponse,
    responses=ERRORS,
    openapi_extra=described(schemas.SuggestCommentScoreRequest, SUGGEST_EXAMPLE),
)
async def suggest_score(request: Request) -> Response:
    """Stores what a comment's scores should have been."""
    return _answer(await _call(request, SUGGEST))


@router.get(DISCOVERY, responses=ERRORS)
async def discovery_document(request: Request) -> Response:
    """What Google's client libraries read before their first call. A bad key is refused, none is needed."""
    here = service.of(request)
    if request.query_params.get("version") not in (None, "", discovery.VERSION):
        raise ApiError(404, "not_found", f"There is one version of this API: {discovery.VERSION}.")
    if here.settings.mode == "keys" and request.query_params.get("key"):
        await here.access.check(request, None)
    return Json(discovery.document(_root(here, request)))


@router.post(
    "/batch",
    response_class=Response,
    responses=ERRORS | {200: {"content": {"multipart/mixed": {"schema": {"type": "string"}}}}},
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/mixed": {"schema": {"type": "string"}}}}},
)
async def batch_of_calls(request: Request) -> Response:
    """Answers several calls at once, each with its own status."""
    parts = batch.read(request.headers.get("content-type", ""), await request.body())
    # A batch must not fill the queue and then be refused by it. A part with spans is as many texts as it has sentences,
    # which is all that one request may have in the queue: such parts go one after the other.
    spanned = any(SPANNED.search(part.body) for part in parts)
    limit = asyncio.Semaphore(1 if spanned else max(1, min(AT_ONCE, service.of(request).settings.queue // 2)))

    room = service.of(request).settings.max_body_bytes

    async def answer(part: batch.Part) -> batch.Answer:
        nonlocal room
        # Under a prefix, which a proxy takes off the request's path, clients write it into the parts all the same.
        path = next((path for path in (ANALYZE, SUGGEST) if part.path.endswith(path)), None)
        async with limit:
            try:
                if part.problem:
                    raise part.problem
                if part.method != "POST" or path is None:
                    raise ApiError(404, "not_found", f"A batch answers POST {ANALYZE} and {SUGGEST}.")
                if room <= 0:
                    raise ApiError(413, "batch_too_large", "The answers before this one fill the batch; send fewer.")
                content = _written(await _call(request, path, part))
                room -= len(content)
                return batch.Answer(part, 200, content, {})
            except ApiError as error:
                known = error
            except EngineError as error:
                known = of_engine(error)
            except SQLAlchemyError as error:
                known = of_store(error)
            status, message = envelope(known, request_id(request), part.query)
            return batch.Answer(part, status, _written(message), known.headers or {})

    answers = await asyncio.gather(*(answer(part) for part in parts))
    boundary = f"batch_{secrets.token_hex(12)}"
    return Response(batch.write(answers, boundary), media_type=f"multipart/mixed; boundary={boundary}")


async def _call(request: Request, path: str, part: batch.Part | None = None) -> dict[str, Any]:
    """One call: the request itself, or a part of a batch, with a key of its own if it has one.

    The key is checked before a body is read.
    """
    here = service.of(request)
    scope: Scope = "score" if path == ANALYZE else "feedback"
    key: Key | None = await here.admit(request, scope, secrets_of(part.headers, part.query) if part else ())
    body = part.body if part else await request.body()
    if path == ANALYZE:
        return await analyze(here, request, key, body)
    receipt = await suggest(here, key, body)
    request.state.answer_headers = here.access.remaining(key)
    return receipt.model_dump(by_alias=True, exclude_none=True)


def _written(message: dict[str, Any]) -> bytes:
    return ENCODER.encode(message).encode()


def _answer(message: dict[str, Any]) -> Response:
    return Response(_written(message), media_type=Json.media_type)


def _root(here: Service, request: Request) -> str:
    """Where clients reach the service, with a slash at the end."""
    return (here.settings.public_url or str(request.base_url)).rstrip("/") + "/"
