"""Hugging Face text-embeddings-inference's `POST /predict`, which Discourse's sentiment setting can point at."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from starlette.requests import HTTPConnection

from serving import __version__, service
from serving.dialects.bodies import described, read
from serving.dialects.dialect import Dialect, failures
from serving.errors import ApiError
from serving.schemas import MAX_COMMENTS, MAX_TEXT_BYTES, too_long
from serving.scorer import Scores
from serving.text import visible

Pair = Annotated[list[str], Field(min_length=1, max_length=2)]


def _form(given: Any) -> str:
    """Which form of `inputs` is meant, so that a complaint is about that one."""
    if not isinstance(given, list):
        return "one"
    return "pair" if given and isinstance(given[0], str) else "batch"


class PredictRequest(BaseModel):
    """A text; a pair of texts, which are scored as one; or a batch, each item a list of one or two texts.

    A flat list of more is refused, as it is there: taken for a batch, its last two would one day be a pair.
    Long texts are read in windows, so `truncate` only cuts what is over the limit of a comment.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    inputs: Annotated[
        Annotated[str, Tag("one")]
        | Annotated[Pair, Tag("pair")]
        | Annotated[list[Pair], Field(min_length=1, max_length=MAX_COMMENTS), Tag("batch")],
        Discriminator(_form),
    ]
    raw_scores: bool | None = None
    truncate: bool | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None


class Prediction(BaseModel):
    """An attribute and its calibrated score; with `raw_scores` the log-odds of it."""

    label: str
    score: float


class TeiError(BaseModel):
    """The error shape of text-embeddings-inference."""

    error: str
    error_type: str


class Classifier(BaseModel):
    """The labels and their numbers."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class Info(BaseModel):
    """What is served, with the names that clients of text-embeddings-inference read."""

    model_id: str
    model_sha: str
    model_type: dict[str, Classifier]
    max_input_length: int
    max_client_batch_size: int
    version: str


PREDICT = "/predict"
TYPES = {424: "Backend", 429: "Overloaded", 503: "Unhealthy"}


def render(error: ApiError, request: HTTPConnection) -> tuple[int, dict[str, Any]]:
    """`{error, error_type}`; a client that overloads the service is told so, as it is there, and by 424 that inference
    failed: `/health` says 503.
    """
    failed = error.code == "inference_failed" and request.scope["path"] == PREDICT
    status = 424 if failed else error.status_code
    kind = TYPES.get(status, "Backend" if status >= 500 else "Validation")
    return status, {"error": error.message, "error_type": kind}


DIALECT = Dialect("tei", (PREDICT, "/health", "/info"), render)
ERRORS = failures(TeiError, 400, 401, 403, 413, 422, 424, 429, 503, 504)

router = APIRouter(tags=["text-embeddings-inference"])


@router.post(
    PREDICT,
    response_model=list[Prediction] | list[list[Prediction]],
    responses=ERRORS,
    openapi_extra=described(PredictRequest, {"inputs": "You absolute clown, resign."}),
)
async def predict(request: Request) -> Response:
    """Scores of one text, highest first, or a list of them for a batch."""
    here = service.of(request)
    key = await here.admit(request, "score")
    message = read(await request.body(), PredictRequest)
    single, texts = _texts(message)
    scored = await here.score(request, key, texts)
    rows = [_predictions(row, bool(message.raw_scores)) for row in scored.scores]
    return JSONResponse(rows[0] if single else rows)


@router.head("/health", include_in_schema=False)
@router.get("/health", response_class=Response, responses=ERRORS)
async def health(request: Request) -> Response:
    """200 without a body while the model answers."""
    await service.of(request).engine.probe()
    return Response()


@router.get("/info", responses=ERRORS)
async def info(request: Request) -> Info:
    """The model behind `/predict`."""
    here = service.of(request)
    await here.admit(request, "score")
    labels = here.engine.attributes
    manifest = here.engine.manifest
    return Info(
        model_id=manifest.name,
        model_sha=manifest.files["model.onnx"],
        model_type={
            "classifier": Classifier(
                id2label={str(number): name for number, name in enumerate(labels)},
                label2id={name: number for number, name in enumerate(labels)},
            )
        },
        max_input_length=MAX_TEXT_BYTES,
        max_client_batch_size=MAX_COMMENTS,
        version=__version__,
    )


def _texts(message: PredictRequest) -> tuple[bool, list[str]]:
    """Whether one text was asked for, and the texts.

    Raises ApiError.
    """
    given = message.inputs
    single = _form(given) != "batch"
    items: list[Any] = [given] if single else list(given)
    texts = [one if isinstance(one, str) else "\n".join(one) for one in items]
    if message.truncate:
        texts = [_cut(text, message.truncation_direction or "right") for text in texts]
    for number, text in enumerate(texts):
        field = "inputs" if single else f"inputs.{number}"
        if rule := too_long(text):  # first: to look for something visible takes time
            raise ApiError(413, "text_too_long", f"{field}: {rule}", field)
        if not visible(text):
            raise ApiError(422, "empty_text", f"{field}: expected a visible character", field)
    return single, texts


def _cut(text: str, side: str) -> str:
    """At most MAX_TEXT_BYTES of a text; `side` is where the rest is cut off."""
    encoded = text.encode()
    kept = encoded[-MAX_TEXT_BYTES:] if side.lower() == "left" else encoded[:MAX_TEXT_BYTES]
    return kept.decode(errors="ignore")


def _predictions(scores: Scores, raw: bool) -> list[dict[str, Any]]:
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return [{"label": name, "score": _log_odds(score) if raw else score} for name, score in ranked]


def _log_odds(score: float) -> float:
    inside = min(max(score, 1e-7), 1 - 1e-7)
    return math.log(inside / (1 - inside))
