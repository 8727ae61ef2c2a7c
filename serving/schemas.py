"""Requests and answers of the native API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, WithJsonSchema

from labels import taxonomy

MAX_COMMENTS = 1000
MAX_TEXT_BYTES = 20_480  # of UTF-8, one comment; the limit that Perspective's clients already keep


def too_long(text: str) -> str | None:
    """The rule that a text over MAX_TEXT_BYTES breaks, None for one within it."""
    size = len(text.encode("utf-8", "replace"))
    return f"{size} UTF-8 bytes; at most {MAX_TEXT_BYTES} are scored" if size > MAX_TEXT_BYTES else None


Identifier = Annotated[str, Field(max_length=256)]
# Which of the taxonomy's names a model scores is only known once it is loaded, and checked then.
AttributeName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(taxonomy.load().names)})]
Score = Annotated[float, Field(ge=0.0, le=1.0)]


class Context(BaseModel):
    """Where a comment stands. Accepted so that callers can send it; this model does not read it."""

    model_config = ConfigDict(extra="allow")

    article: str | None = None
    parent: str | None = None


class Comment(BaseModel):
    """One comment. A bad `text` is answered in that comment's result and fails no other."""

    id: Identifier = Field(description="yours; comes back with the scores")
    text: JsonValue = Field(
        None, description=f"a string of 1 to {MAX_TEXT_BYTES} UTF-8 bytes; anything else is that item's error"
    )
    context: Context | None = None


class ScoreRequest(BaseModel):
    """Up to 1,000 comments, and which attributes to answer; without `attributes`, all."""

    comments: list[Comment] = Field(min_length=1, max_length=MAX_COMMENTS)
    attributes: list[AttributeName] | None = Field(None, min_length=1, description="names from /v1/attributes")
    spans: StrictBool = Field(False, description="mark words too; 422 if the model that is loaded cannot")


class ItemError(BaseModel):
    """Why one comment has no scores."""

    code: Literal["invalid_text", "empty_text", "text_too_long"]
    message: str
    field: str


class WordSpan(BaseModel):
    """Words of a comment that are evidence of an attribute, and the model's probability that they are."""

    attribute: str
    begin: int = Field(ge=0, description="UTF-16 code units")
    end: int = Field(ge=0, description="UTF-16 code units, exclusive")
    score: Score


class Result(BaseModel):
    """One comment's scores, attribute -> number in 0..1, with `spans` in order if they were asked for; or its error."""

    id: str
    scores: dict[str, Score] | None = None
    spans: list[WordSpan] | None = None
    error: ItemError | None = None


class ModelName(BaseModel):
    """The model that scored."""

    name: str
    version: str


class ScoreResponse(BaseModel):
    """Results in the order of the request."""

    model: ModelName
    results: list[Result]


class AttributeInfo(BaseModel):
    """One attribute as the taxonomy defines it."""

    name: str
    group: Literal["headline", "detail"]
    definition: str
    question: str
    range: tuple[float, float]
    perspective: list[str]
    openai: list[str]
    coral: list[str]


class AttributesResponse(BaseModel):
    """What the model scores."""

    model: ModelName
    attributes: list[AttributeInfo]


class Status(BaseModel):
    """State of the service."""

    status: Literal["ok"] = "ok"
