"""What analyze and suggestscore ask of every body: readable JSON, one plain comment of a bounded size."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from serving.dialects.bodies import load
from serving.dialects.perspective.errors import PerspectiveError
from serving.dialects.perspective.schemas import CommentRequest, Context, TextEntry
from serving.errors import ApiError, invalid_json
from serving.schemas import MAX_TEXT_BYTES
from serving.text import visible

R = TypeVar("R", bound=CommentRequest)
PLAIN = (None, "PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED")


def parsed(body: bytes, kind: type[R]) -> R:
    """A body as a message, whatever its Content-Type said: real clients send none. Raises ApiError.

    An empty body is an empty message.
    """
    try:
        content = load(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise invalid_json() from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part)[:100] for part in first["loc"]) or "body"
        raise ApiError(422, "invalid_request", f"Invalid value at '{field}': {first['msg']}", field) from None


def checked(comment: TextEntry, context: Context | None) -> str:
    """The comment's text. Raises PerspectiveError in Google's order: empty, too long, type, context."""
    text = comment.text or ""
    if not visible(text):
        raise PerspectiveError("Comment must be non-empty.", "COMMENT_EMPTY")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise PerspectiveError("Comment text too long.", "COMMENT_TOO_LONG", bytes=size, limitBytes=MAX_TEXT_BYTES)
    if comment.type not in PLAIN:
        known = comment.type == "HTML"
        raise PerspectiveError("Currently, only 'PLAIN_TEXT' comments are supported" if known else "Unknown text type")
    if context and context.entries is not None and context.article_and_parent_comment is not None:
        raise PerspectiveError(
            "Context can have either entries or article_and_parent_comment, but both fields were populated."
        )
    return text
