"""What analyze and suggestscore ask of every body: readable JSON, one plain comment of a bounded size."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from serving.dialects.bodies import load, rule
from serving.dialects.perspective.errors import PerspectiveError
from serving.dialects.perspective.schemas import CommentRequest, Context, TextEntry
from serving.errors import ApiError, invalid_json
from serving.schemas import MAX_TEXT_BYTES
from serving.text import visible

R = TypeVar("R", bound=CommentRequest)
MAX_CONTEXT_BYTES = 2**20  # one entry; an article with the comment that is answered
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
        raise ApiError(422, "invalid_request", f"Invalid value at '{field}': {rule(first)}", field) from None


def checked(comment: TextEntry, context: Context | None) -> str:
    """The comment's text. Raises PerspectiveError: too long, empty, type, context."""
    text = comment.text or ""
    size = _bytes(text)
    if size > MAX_TEXT_BYTES:  # first: to look for something visible takes time
        raise PerspectiveError("Comment text too long.", "COMMENT_TOO_LONG", bytes=size, limitBytes=MAX_TEXT_BYTES)
    if not visible(text):
        raise PerspectiveError("Comment must be non-empty.", "COMMENT_EMPTY")
    if comment.type not in PLAIN:
        known = comment.type == "HTML"
        raise PerspectiveError("Currently, only 'PLAIN_TEXT' comments are supported" if known else "Unknown text type")
    if context and context.entries is not None and context.article_and_parent_comment is not None:
        raise PerspectiveError(
            "Context can have either entries or article_and_parent_comment, but both fields were populated."
        )
    sizes = [_bytes(entry.text or "") for entry in context.texts()] if context else []
    if any(size > MAX_CONTEXT_BYTES for size in sizes) or sum(sizes) > 2 * MAX_CONTEXT_BYTES:
        raise PerspectiveError(
            f"Context too long: at most {MAX_CONTEXT_BYTES} bytes each, and {2 * MAX_CONTEXT_BYTES} in all."
        )
    return text


def _bytes(text: str) -> int:
    """How long a text is in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))
