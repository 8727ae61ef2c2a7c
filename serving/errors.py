"""What can go wrong in a request, and the native shape of saying it.

The native shape is {"error": {"code", "message", "field"?, "request_id"}}; other dialects say the same
errors in their own shapes.
"""

from __future__ import annotations

from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from serving import engine
from serving.store import cause


class ErrorBody(BaseModel):
    """What went wrong: `code` for programs, `message` for people, `field` where one is to blame."""

    code: str
    message: str
    field: str | None = None
    request_id: str


class ErrorResponse(BaseModel):
    """Every answer that is not 2xx."""

    error: ErrorBody


class ApiError(HTTPException):
    """Ends a request with an error answer; an HTTPException, so that the framework passes it on untouched."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code, self.message, self.field = code, message, field


def payload(request_id: str, code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """The native shape as a dictionary, without `field` where there is none."""
    body = ErrorBody(code=code, message=message, field=field, request_id=request_id)
    return ErrorResponse(error=body).model_dump(exclude_none=True)


def invalid_json() -> ApiError:
    """The body cannot be read."""
    return ApiError(400, "invalid_json", "The body is not valid JSON.")


def invalid(location: tuple[Any, ...], rule: str) -> ApiError:
    """A field breaks a rule. The value itself, which could be comment text, is never repeated."""
    field = ".".join(map(str, location)) or "body"
    return ApiError(422, "invalid_request", f"{field}: {rule}", field)


def of_engine(error: engine.EngineError) -> ApiError:
    """Why there are no scores, as an answer. A client can try again after each of them."""
    match error:
        case engine.BusyError():
            return ApiError(429, "busy", str(error), headers={"Retry-After": str(error.retry_after)})
        case engine.DeadlineError():
            return ApiError(504, "deadline_exceeded", str(error), headers={"Retry-After": "1"})
        case engine.InferenceError():
            return ApiError(503, "inference_failed", str(error), headers={"Retry-After": "5"})
    return ApiError(503, "not_ready", str(error), headers={"Retry-After": "1"})


def of_store(error: SQLAlchemyError) -> ApiError:
    """That the database failed, as an answer; which way, goes to the log."""
    structlog.get_logger().error("the database failed", **cause(error))
    message = "The database does not answer; try again later."
    return ApiError(503, "store_unavailable", message, headers={"Retry-After": "5"})
