"""OpenAI's `POST /v1/moderations`, as its client libraries expect it."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from starlette.requests import HTTPConnection

from labels import taxonomy
from serving import service
from serving.dialects.bodies import ByHand, described, read
from serving.dialects.dialect import Dialect, failures
from serving.errors import ApiError
from serving.schemas import MAX_COMMENTS, too_long
from serving.scorer import Scores
from serving.text import visible

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class TextPart(BaseModel):
    """A piece of text; several are one input."""

    type: Literal["text"]
    text: str


def _form(given: Any) -> str:
    """Which form of `input` is meant, so that a complaint is about that one."""
    if not isinstance(given, list):
        return "one text"
    return "parts" if any(isinstance(one, dict) for one in given) else "texts"


class ModerationRequest(BaseModel):
    """What to moderate: a text, several texts, or one input in parts. `model` is accepted and not looked at."""

    model_config = ConfigDict(extra="ignore")

    input: Annotated[
        Annotated[str, Tag("one text")]
        | Annotated[list[str], Field(min_length=1, max_length=MAX_COMMENTS), Tag("texts")]
        | Annotated[list[TextPart], Field(min_length=1, max_length=MAX_COMMENTS), Tag("parts")],
        Discriminator(_form),
    ]
    model: str | None = None


class Moderation(BaseModel):
    """One input's answer. `category_scores` also holds each of our attributes under its own name.

    A category in `not_assessed` has no model behind it: its `false` and 0 say nothing.
    """

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    not_assessed: list[str]


class ModerationResponse(BaseModel):
    """Results in the order of the inputs; `model` is the model that scored."""

    id: str
    model: str
    results: list[Moderation]


class OpenAiError(BaseModel):
    """OpenAI's error: `param` is the field to blame."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiErrorAnswer(BaseModel):
    """OpenAI's error envelope."""

    error: OpenAiError


def render(error: ApiError, request: HTTPConnection) -> tuple[int, dict[str, Any]]:
    """OpenAI's shape; its clients retry 408, 409, 429 and 5xx by themselves."""
    status = 400 if error.status_code == 422 else error.status_code
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    codes = {"invalid_key": "invalid_api_key", "rate_limited": "rate_limit_exceeded"}
    body = OpenAiError(message=error.message, type=kind, param=error.field, code=codes.get(error.code, error.code))
    return status, OpenAiErrorAnswer(error=body).model_dump()


def headers(error: ApiError) -> dict[str, str]:
    """When to come back, as OpenAI's clients read it first: in milliseconds."""
    seconds = (error.headers or {}).get("Retry-After")
    return {"retry-after-ms": str(int(seconds) * 1000)} if seconds else {}


DIALECT = Dialect("openai", ("/v1/moderations",), render, headers=headers)
ERRORS = failures(OpenAiErrorAnswer, 400, 401, 403, 413, 429, 503, 504)

router = APIRouter(route_class=ByHand, tags=["openai"])


@router.post(
    "/v1/moderations",
    response_model=ModerationResponse,
    responses=ERRORS,
    openapi_extra=described(ModerationRequest, {"input": "You absolute clown, resign."}),
)
async def moderations(request: Request) -> Response:
    """Scores texts in OpenAI's categories, as far as a model stands behind them."""
    here = service.of(request)
    key = await here.admit(request, "score")
    message = read(await request.body(), ModerationRequest)
    texts = _texts(message)
    seen = [visible(text) for text in texts]
    scored = await here.score(request, key, [text for text, there in zip(texts, seen, strict=True) if there])
    rows = iter(scored.scores)
    limit = here.settings.flag_threshold
    results = [_moderation(next(rows) if there else None, limit) for there in seen]
    answer = ModerationResponse(
        id=f"modr-{uuid.uuid4().hex}", model=f"{scored.model.name}-{scored.model.version}", results=results
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _texts(message: ModerationRequest) -> list[str]:
    """One text an input. Raises ApiError text_too_long."""
    given = message.input
    texts: list[str] = []
    if isinstance(given, str):
        texts = [given]
    elif all(isinstance(one, str) for one in given):
        texts = [str(one) for one in given]
    else:
        texts = ["\n".join(one.text for one in given if isinstance(one, TextPart))]
    several = isinstance(given, list) and isinstance(given[0], str)  # parts are too long together
    for number, text in enumerate(texts):
        if rule := too_long(text):
            field = f"input.{number}" if several else "input"
            raise ApiError(422, "text_too_long", f"{field}: {rule}", field)
    return texts


def _moderation(scores: Scores | None, threshold: float) -> Moderation:
    """One input's answer; without scores (nothing visible in it) nothing is assessed."""
    known = taxonomy.load()
    category_scores = dict.fromkeys(CATEGORIES, 0.0)
    assessed: set[str] = set()
    for name, score in (scores or {}).items():
        for category in known[name].openai:
            category_scores[category] = score
            assessed.add(category)
    categories = {name: score >= threshold for name, score in category_scores.items()}
    return Moderation(
        flagged=any(categories.values()),
        categories=categories,
        category_scores=category_scores | dict(scores or {}),
        category_applied_input_types={name: ["text"] for name in CATEGORIES},
        not_assessed=[name for name in CATEGORIES if name not in assessed],
    )
