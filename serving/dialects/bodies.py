"""Bodies that are read by hand: JSON whatever the Content-Type says, and their place in the OpenAPI document."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from serving.errors import invalid_field, invalid_json

M = TypeVar("M", bound=BaseModel)


def read(body: bytes, kind: type[M]) -> M:
    """A body as a message. Raises ApiError: invalid_json, or invalid_request with the field and the rule."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid_json() from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise invalid_field(error) from None


def described(kind: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads `kind` by hand."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": inlined(kind)}}}}


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
