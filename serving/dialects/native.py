"""The native API: `POST /v1/score`, `GET /v1/attributes`, and what an operator asks of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection

from labels import taxonomy
from serving import service
from serving.artifact import ArtifactError, Manifest
from serving.dialects.bodies import described, read
from serving.dialects.dialect import Dialect, failures, request_id
from serving.errors import ApiError, ErrorResponse, payload
from serving.moderation.tables import Case
from serving.schemas import (
    AttributeInfo,
    AttributesResponse,
    ItemError,
    ModelName,
    Result,
    ScoreRequest,
    ScoreResponse,
    Status,
    WordSpan,
    too_long,
)
from serving.sites import Sites, SitesError
from serving.spans import utf16
from serving.store import Store
from serving.text import visible

UNREADY = failures(ErrorResponse, 503)
REFUSED = failures(ErrorResponse, 401, 403)
LIMITED = failures(ErrorResponse, 400, 413, 422, 429, 504)

router = APIRouter()


def render(error: ApiError, request: HTTPConnection) -> tuple[int, dict[str, Any]]:
    """The native error shape."""
    return error.status_code, payload(request_id(request), error.code, error.message, error.field)


DIALECT = Dialect("native", ("/",), render)


EXAMPLE = {"comments": [{"id": "c1", "text": "You absolute clown, resign."}]}


@router.post(
    "/v1/score",
    response_model=ScoreResponse,
    responses=LIMITED | REFUSED | UNREADY,
    openapi_extra=described(ScoreRequest, EXAMPLE),
    tags=["scores"],
)
async def score(request: Request) -> Response:
    """Scores of each comment, in the order of the request."""
    here = service.of(request)
    key = await here.admit(request, "score")
    body = read(await request.body(), ScoreRequest)
    names = _chosen(body.attributes, here.engine.attributes)
    if body.spans and here.engine.manifest.spans is None:
        raise ApiError(422, "no_spans", "spans: the model cannot mark words; leave it out", "spans")
    problems = [_problem(number, comment.text) for number, comment in enumerate(body.comments)]
    good = [str(c.text) for c, problem in zip(body.comments, problems, strict=True) if problem is None]
    # Marking words is another inference, so that a comment counts twice.
    scored = await here.score(request, key, good, cost=2 * len(good) if body.spans else None)
    rows = iter(scored.scores)
    spans = iter(await _spans(here, scored.model, good) if body.spans else ())
    results = []
    for comment, problem in zip(body.comments, problems, strict=True):
        if problem:
            results.append(Result(id=comment.id, error=problem))
        else:
            row = next(rows)
            scores = {name: row[name] for name in names}
            results.append(Result(id=comment.id, scores=scores, spans=next(spans, None)))
    answer = ScoreResponse(model=_name(scored.model), results=results)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


@router.get("/v1/attributes", responses=REFUSED | UNREADY, tags=["scores"])
async def attributes(request: Request) -> AttributesResponse:
    """What the model scores, with definitions and the names other systems use."""
    here, known = service.of(request), taxonomy.load()
    await here.admit(request, "score")
    described = [AttributeInfo.model_validate(known[name], from_attributes=True) for name in here.engine.attributes]
    return AttributesResponse(model=_name(here.engine.manifest), attributes=described)


@router.head("/healthz", include_in_schema=False)  # uptime monitors ask so
@router.get("/healthz", tags=["state"])
async def healthz() -> Status:
    """The process answers."""
    return Status()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=UNREADY, tags=["state"])
async def readyz(request: Request) -> Status:
    """The model is verified, loaded and warm, and the last inference succeeded."""
    await service.of(request).engine.probe()
    return Status()


@router.get(
    "/metrics",
    response_class=Response,
    responses=REFUSED | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    tags=["state"],
)
async def metrics(request: Request) -> Response:
    """Counts and times in the format of Prometheus; the key needs the scope metrics."""
    here = service.of(request)
    await here.admit(request, "metrics")
    with suppress(SQLAlchemyError):  # then it is as it was: the rest is needed most when the database is away
        here.metrics.cases_open.set(await asyncio.to_thread(_open_cases, here.store))
    return Response(here.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.post(
    "/v1/admin/reload",
    responses=REFUSED
    | UNREADY
    | {409: {"model": ErrorResponse, "description": "the new model, or the file of Coral sites, is bad"}},
    tags=["state"],
)
async def reload(request: Request) -> ModelName:
    """Loads the model directory again; the old model answers until the new one is warm, or if it is bad."""
    here = service.of(request)
    await here.admit(request, "admin")
    return _name(await reloaded(here))


async def reloaded(here: service.Service) -> Manifest:
    """Loads the model and the file of Coral sites again, counts and logs the outcome.

    Raises ApiError, and changes neither, if one of them is bad.
    """
    log = structlog.get_logger()
    try:
        sites = await asyncio.to_thread(Sites.load, here.settings.coral, strict=here.settings.mode == "keys")
        manifest = await here.engine.reload()
    except SitesError as error:
        here.metrics.reloads.labels("refused").inc()
        log.error("the file of Coral sites is refused; model and sites stay", reason=str(error))
        raise ApiError(409, "bad_sites", str(error)) from None
    except ArtifactError as error:
        here.metrics.reloads.labels("refused").inc()
        log.error("the new model is refused; the old one answers on", reason=str(error))
        raise ApiError(409, "bad_model", str(error)) from None
    here.sites = sites
    here.metrics.reloads.labels("loaded").inc()
    log.info("model loaded", model=manifest.name, version=manifest.version)
    return manifest


def _open_cases(store: Store) -> int:
    with store.session() as session:
        return session.scalar(select(func.count()).select_from(Case).where(Case.closed_at.is_(None))) or 0


def _name(manifest: Manifest) -> ModelName:
    return ModelName(name=manifest.name, version=manifest.version)


def _chosen(wanted: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    if wanted is None:
        return known
    if unknown := [name for name in wanted if name not in known]:
        message = f"attributes: the model does not score {unknown[0][:64]!r}; GET /v1/attributes lists what it does"
        raise ApiError(422, "unknown_attribute", message, "attributes")
    return list(dict.fromkeys(wanted))


async def _spans(here: service.Service, model: Manifest, texts: Sequence[str]) -> list[list[WordSpan]]:
    """The words that the model marks in each text. Raises EngineError."""
    attribute = model.spans.attribute if model.spans else ""
    return [
        [
            WordSpan(attribute=attribute, begin=begin, end=end, score=span.score)
            for (begin, end), span in zip(utf16(text, found), found, strict=True)
        ]
        for text, found in zip(texts, await here.marker.spans(model, texts), strict=True)
    ]


def _problem(number: int, text: object) -> ItemError | None:
    field = f"comments.{number}.text"
    if not isinstance(text, str):
        return ItemError(code="invalid_text", message="text: expected a string", field=field)
    if rule := too_long(text):
        return ItemError(code="text_too_long", message=f"text: {rule}", field=field)
    if not visible(text):
        return ItemError(code="empty_text", message="text: expected a visible character", field=field)
    return None
