"""Requests and answers of Perspective, camelCase on the wire; requests in snake_case are read as well."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

# More attributes than there are names: `NAME@version` makes any number of them, each answered with every span.
MOST_ATTRIBUTES = 100
MOST_SCORES = 1000  # of one suggestion, each stored with the text


def _languages(value: Any) -> Any:
    """One code is a list of one, null is none and so is an empty code: clients send all of these."""
    if value is None:
        return []
    if isinstance(value, str):
        value = [value]
    return [code for code in value if code != ""] if isinstance(value, list) else value


def _absent(value: Any) -> Any:
    """Null is the empty message, as in proto-JSON; PHP writes an empty one as an empty list."""
    return {} if value is None or value == [] else value


def _none(value: Any) -> Any:
    """Null is the empty list, as in proto-JSON."""
    return [] if value is None else value


def _left_out(value: Any) -> Any:
    """An empty list is a list that is not there, as in proto-JSON, and PHP's empty message."""
    return None if value == [] else value


class Message(BaseModel):
    """Base: unknown members are ignored, as Google's clients add some."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class TextEntry(Message):
    """A text and what it is; type unset is plain text."""

    text: str | None = None
    type: str | None = None


class ArticleAndParent(Message):
    """What the comment answers."""

    article: Annotated[TextEntry | None, BeforeValidator(_left_out)] = None
    parent_comment: Annotated[TextEntry | None, BeforeValidator(_left_out)] = None


class Context(Message):
    """Either `entries` or `articleAndParentComment`. The present model does not read it."""

    entries: Annotated[list[TextEntry] | None, BeforeValidator(_left_out)] = None
    article_and_parent_comment: Annotated[ArticleAndParent | None, BeforeValidator(_left_out)] = None

    def texts(self) -> list[TextEntry]:
        """All that it consists of."""
        two = self.article_and_parent_comment or ArticleAndParent()
        return [*(self.entries or ()), *(entry for entry in (two.article, two.parent_comment) if entry)]


class AttributeParameters(Message):
    """How one attribute is asked for."""

    score_type: str | None = None
    score_threshold: Annotated[float | None, Field(allow_inf_nan=False)] = None


Code = Annotated[str, Field(max_length=100)]
Languages = Annotated[list[Code], Field(max_length=100), BeforeValidator(_languages)]


class CommentRequest(Message):
    """What analyze and suggestscore have in common."""

    comment: Annotated[TextEntry, BeforeValidator(_absent)] = TextEntry()
    context: Annotated[Context | None, BeforeValidator(_left_out)] = None
    languages: Languages = []
    client_token: str | None = None
    session_id: str | None = None
    community_id: str | None = None
    do_not_store: bool | None = None


class AnalyzeCommentRequest(CommentRequest):
    """One comment, and the attributes it is to be scored for: `{"TOXICITY": {}}`."""

    requested_attributes: Annotated[
        dict[str, Annotated[AttributeParameters, BeforeValidator(_absent)]],
        Field(max_length=MOST_ATTRIBUTES),
        BeforeValidator(_absent),
    ] = {}
    span_annotations: bool | None = None


class Score(Message):
    """A probability from 0 to 1."""

    value: float
    type: str = "PROBABILITY"


class SpanScore(Message):
    """The score of a part of the text: UTF-16 code units, the end exclusive."""

    begin: int
    end: int
    score: Score


class AttributeScores(Message):
    """One attribute's scores: of the whole text, and of its spans (one without `spanAnnotations`)."""

    span_scores: list[SpanScore]
    summary_score: Score


class AnalyzeCommentResponse(Message):
    """Scores under the names they were asked by. `modelVersion` and `warnings` are this service's own."""

    attribute_scores: dict[str, AttributeScores]
    languages: list[str]
    detected_languages: list[str]
    client_token: str | None = None
    model_version: str
    warnings: list[str] | None = None


class SuggestedScore(Message):
    """A score as a client gives it; 0 is left out by those that write proto-JSON, as Go's does."""

    value: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    type: str | None = None


class SuggestedSpan(Message):
    """A span must say where it is."""

    begin: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    score: SuggestedScore


class SuggestedScores(Message):
    """What the scores should have been."""

    summary_score: SuggestedScore | None = None
    span_scores: Annotated[list[SuggestedSpan], Field(max_length=MOST_SCORES), BeforeValidator(_none)] = []


class SuggestCommentScoreRequest(CommentRequest):
    """What a comment's scores should have been, by attribute."""

    attribute_scores: Annotated[
        dict[str, Annotated[SuggestedScores, BeforeValidator(_absent)]],
        Field(max_length=MOST_ATTRIBUTES),
        BeforeValidator(_absent),
    ] = {}


class SuggestCommentScoreResponse(Message):
    """A receipt."""

    client_token: str | None = None
    detected_languages: list[str]
    requested_languages: list[str]


class ErrorStatus(Message):
    """Google's status: `details` holds at least one object with an `@type`."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]] = Field(min_length=1)


class ErrorAnswer(Message):
    """Google's error envelope."""

    error: ErrorStatus
