"""The API's one error shape: {"error": {"code", "message", "field"?, "request_id"}}."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException


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
    """The error shape as a dictionary, without `field` where there is none."""
    body = ErrorBody(code=code, message=message, field=field, request_id=request_id)
    return ErrorResponse(error=body).model_dump(exclude_none=True)


def _answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    field: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body = payload(getattr(request.state, "request_id", ""), code, message, field)
    return JSONResponse(body, status, headers=headers)


def install(app: FastAPI) -> None:
    """Makes every error of the application answer in the one shape."""

    @app.exception_handler(ApiError)
    async def _known(request: Request, error: ApiError) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        return _answer(request, error.status_code, error.code, error.message, error.field, headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return _answer(request, 400, "invalid_json", "The body is not valid JSON.")
        # Pydantic's message names the rule; its `input`, which would be comment text, is left out.
        field = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        return _answer(request, 422, "invalid_request", f"{field}: {first['msg']}", field)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.BAD_REQUEST:  # the framework could not read the body
            return _answer(request, error.status_code, "invalid_json", "The body is not valid JSON.")
        status = HTTPStatus(error.status_code)
        headers = dict(error.headers) if error.headers else None
        return _answer(request, error.status_code, status.name.lower(), f"{status.phrase}.", headers=headers)
