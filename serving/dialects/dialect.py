"""What a dialect is: a family of paths, and the shape in which it says that something went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from serving.errors import ApiError

Render = Callable[[ApiError, HTTPConnection], tuple[int, Any]]


FAILURES = {
    400: "the request cannot be read, or breaks a rule",
    401: "no key, or a bad one",
    403: "no key, or one without the scope",
    404: "what the path names is not there",
    409: "not as things stand",
    413: "body or text too large",
    422: "a field breaks its rule",
    424: "inference failed",
    431: "address and headers together are too long",
    429: "too much at once; Retry-After says when",
    503: "not ready",
    504: "not scored in time",
}


def failures(shape: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of a route's failures, which all have one shape."""
    return {status: {"model": shape, "description": FAILURES[status]} for status in statuses}


@dataclass(frozen=True)
class Dialect:
    """`render` turns an error and its request into status and content, which becomes a `response`.

    `browsers`: pages elsewhere may call it.

    A prefix that ends in a slash stands for all paths below it, another for itself.
    """

    name: str
    prefixes: tuple[str, ...]
    render: Render
    browsers: bool = False
    headers: Callable[[ApiError], dict[str, str]] = field(default=lambda error: {})
    response: type[Response] = JSONResponse

    def covers(self, path: str) -> bool:
        """Whether a path is one of this dialect's, or would be without a slash too many at its end."""
        bare = path.rstrip("/")
        return any(path.startswith(p) if p.endswith("/") else bare == p for p in self.prefixes)


def request_id(request: HTTPConnection) -> str:
    """The id that the answer's X-Request-ID names too."""
    found: str = getattr(request.state, "request_id", "")
    return found
