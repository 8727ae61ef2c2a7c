"""Bodies that are read by hand: JSON whatever the Content-Type says, and their place in the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, get_origin

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from serving.errors import ApiError, invalid, invalid_json

M = TypeVar("M", bound=BaseModel)
ABSENT = ("missing", "value_error")  # what can be said of a member that is not there: the second by rules of our own
LONE = re.compile("[\x00\ud800-\udfff]")


def load(body: bytes | str) -> Any:
    """JSON as Python. Half an emoji, which is left where a client cuts a text in its middle, becomes U+FFFD:
    it is as long in UTF-16, and can be written out again. So does NUL, which PostgreSQL cannot store.

    Raises ValueError, and RecursionError if nested too deeply.
    """
    content = json.loads(body)
    return content if _plain(body) else _well_formed(content)


def _plain(body: bytes | str) -> bool:
    """Whether JSON can hold neither: it is ASCII (not UTF-16, which has zeros) and escapes nothing by number."""
    if not body.isascii():
        return False
    return "\\u" not in body if isinstance(body, str) else b"\\u" not in body and b"\0" not in body


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else LONE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(name): _well_formed(item) for name, item in value.items()}
    return value


class ByHand(APIRoute):
    """A route that takes the request and gives the response: in the OpenAPI document as any other, and called
    without the framework's dependency resolution, which takes longer than all that most requests need.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def read(body: bytes, kind: type[M]) -> M:
    """A body as a message. Raises ApiError: invalid_json, or invalid_request with the field and the rule."""
    try:
        content = load(body)
    except (ValueError, RecursionError):
        raise invalid_json() from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise complaint(error, content) from None


def queried(request: Request, kind: type[M]) -> M:
    """The query of a request as a message; a name may stand there again where a list is wanted. Raises ApiError
    invalid_request.
    """
    lists = {name for name, field in kind.model_fields.items() if get_origin(field.annotation) is list}
    content = {
        name: request.query_params.getlist(name) if name in lists else request.query_params[name]
        for name in request.query_params
        if name in kind.model_fields
    }
    try:
        return kind.model_validate(_well_formed(content))
    except ValidationError as error:
        raise complaint(error, content) from None


def parameters(kind: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads `kind` from its query."""
    schema = inlined(kind)
    required = schema.get("required", [])
    return {
        "parameters": [
            {"name": name, "in": "query", "required": name in required, "schema": each}
            for name, each in schema["properties"].items()
        ]
    }


def complaint(error: ValidationError, content: Any) -> ApiError:
    """The first complaint, at its place in the body: a union's member, which is none, is left out."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place: list[int | str] = []
    for part in first["loc"]:
        if isinstance(content, dict) and (part in content or first["type"] in ABSENT):
            place.append(part)
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int):
            place.append(part)
            content = content[part]
    return invalid(tuple(place), rule(first))


def rule(error: ErrorDetails) -> str:
    """What one of pydantic's errors says, without the names of our classes."""
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "Input should be an object"
    return error["msg"].removeprefix("Value error, ")


def described(kind: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads `kind` by hand; `example` is what /docs offers to send."""
    content = {"schema": inlined(kind), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def inlined(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a message without references. It must not be recursive."""
    schema = kind.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return put(definitions[value["$ref"].rsplit("/", 1)[-1]])
        return {key: put(item) for key, item in value.items()}

    found: dict[str, Any] = put(schema)
    return found
