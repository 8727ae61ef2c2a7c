"""The native HTTP API: `POST /v1/score`, `GET /v1/attributes`, `/healthz`, `/readyz`, `/docs`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from anyio import create_task_group, to_thread
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline

from labels import taxonomy
from serving import __version__, errors
from serving.artifact import Artifact, ArtifactError
from serving.errors import ApiError, ErrorResponse
from serving.requests import Requests
from serving.schemas import (
    MAX_TEXT_BYTES,
    AttributeInfo,
    AttributesResponse,
    Comment,
    ItemError,
    ModelName,
    Result,
    ScoreRequest,
    ScoreResponse,
    Status,
)
from serving.scorer import Scorer
from serving.settings import Settings
from serving.text import normalise

WARM_UP = "One warm-up prediction, so that the first reader does not wait for it."
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ErrorResponse, "description": "not ready"}}
INVALID: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "not JSON"},
    413: {"model": ErrorResponse, "description": "body too large"},
    422: {"model": ErrorResponse, "description": "a field breaks its rule"},
}


def create_app(settings: Settings) -> FastAPI:
    """The application. Verifies the artifact at once and loads it while the server already answers
    `/healthz`; `/readyz` says when a warm-up prediction has run. Raises ArtifactError.
    """
    artifact = Artifact.load(settings.model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with create_task_group() as tasks:
            tasks.start_soon(_load, app, artifact, settings.threads)
            yield
            tasks.cancel_scope.cancel()

    app = FastAPIOffline(
        title="evenhand",
        version=__version__,
        summary="Scores readers' comments for incivility, report-worthiness and quality.",
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would be an answer without the error shape
    )
    app.state.scorer = None
    app.add_middleware(Requests, max_body_bytes=settings.max_body_bytes)
    errors.install(app)

    # `def`, not `async def`: scoring keeps a core busy, so the framework runs it on a thread. The others
    # are answered by the event loop, also while all threads score.
    @app.post("/v1/score", response_model_exclude_none=True, responses=INVALID | NOT_READY, tags=["scores"])
    def score(body: ScoreRequest, request: Request) -> ScoreResponse:
        """Scores of each comment, in the order of the request."""
        scorer = _ready(request)
        names = _chosen(body.attributes, scorer.attributes)
        return ScoreResponse(model=_name(scorer), results=_results(scorer, body.comments, names))

    @app.get("/v1/attributes", responses=NOT_READY, tags=["scores"])
    async def attributes(request: Request) -> AttributesResponse:
        """What the model scores, with definitions and the names other systems use."""
        scorer, known = _ready(request), taxonomy.load()
        described = [AttributeInfo.model_validate(known[n], from_attributes=True) for n in scorer.attributes]
        return AttributesResponse(model=_name(scorer), attributes=described)

    @app.get("/healthz", tags=["state"])
    async def healthz() -> Status:
        """The process answers."""
        return Status()

    @app.get("/readyz", responses=NOT_READY, tags=["state"])
    async def readyz(request: Request) -> Status:
        """The model is verified, loaded and warm."""
        _ready(request)
        return Status()

    return app


async def _load(app: FastAPI, artifact: Artifact, threads: int) -> None:
    def load() -> Scorer:
        scorer = Scorer(artifact, threads)
        scorer.score([WARM_UP])
        return scorer

    log = structlog.get_logger()
    try:
        scorer = await to_thread.run_sync(load)
    except Exception as error:  # whatever it is, the service stays up, not ready, and says so
        reason = str(error) if isinstance(error, ArtifactError) else type(error).__name__
        log.error("the model cannot be loaded; the service stays not ready", reason=reason)
        return
    app.state.scorer = scorer
    log.info("ready", model=scorer.manifest.name, version=scorer.manifest.version)


def _ready(request: Request) -> Scorer:
    scorer: Scorer | None = request.app.state.scorer
    if scorer is None:
        message = "The model is not loaded yet; try again shortly."
        raise ApiError(503, "not_ready", message, headers={"Retry-After": "1"})
    return scorer


def _name(scorer: Scorer) -> ModelName:
    return ModelName(name=scorer.manifest.name, version=scorer.manifest.version)


def _chosen(wanted: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    if wanted is None:
        return known
    if unknown := [name for name in wanted if name not in known]:
        message = f"attributes: the model does not score {unknown[0][:64]!r}; GET /v1/attributes lists what it does"
        raise ApiError(422, "unknown_attribute", message, "attributes")
    return list(dict.fromkeys(wanted))


def _results(scorer: Scorer, comments: Sequence[Comment], names: Sequence[str]) -> list[Result]:
    problems = [_problem(number, comment.text) for number, comment in enumerate(comments)]
    good = [comment for comment, problem in zip(comments, problems, strict=True) if problem is None]
    scored = iter(scorer.score([str(comment.text) for comment in good]))
    return [
        Result(id=comment.id, error=problem) if problem else Result(id=comment.id, scores=_only(next(scored), names))
        for comment, problem in zip(comments, problems, strict=True)
    ]


def _only(scores: Any, names: Sequence[str]) -> dict[str, float]:
    return {name: scores[name] for name in names}


def _problem(number: int, text: object) -> ItemError | None:
    field = f"comments.{number}.text"
    if not isinstance(text, str):
        return ItemError(code="invalid_text", message="text: expected a string", field=field)
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_TEXT_BYTES:
        message = f"text: {size} UTF-8 bytes; at most {MAX_TEXT_BYTES} are scored"
        return ItemError(code="text_too_long", message=message, field=field)
    if not normalise(text):
        return ItemError(code="empty_text", message="text: expected a visible character", field=field)
    return None
