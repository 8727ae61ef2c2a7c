"""What a dialect is: a family of paths, and the shape in which it says that something went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection

from serving.errors import ApiError

Render = Callable[[ApiError, HTTPConnection], tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Dialect:
    """`render` turns an error and its request into status and body. `browsers`: pages elsewhere may call it."""

    name: str
    prefixes: tuple[str, ...]
    render: Render
    browsers: bool = False
    headers: Callable[[ApiError], dict[str, str]] = field(default=lambda error: {})


def request_id(request: HTTPConnection) -> str:
    """The id that the answer's X-Request-ID names too."""
    found: str = getattr(request.state, "request_id", "")
    return found
