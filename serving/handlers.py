"""Makes every failure of the application an answer in the shape of the dialect that was spoken."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match, Route

from serving import dialects, service
from serving.engine import EngineError
from serving.errors import ApiError, invalid, of_engine, of_store

# Failures that a route may pass on. Of these HTTPException includes ApiError and what the framework raises.
KNOWN = (EngineError, SQLAlchemyError, HTTPException)


def answer(request: HTTPConnection, error: ApiError) -> Response:
    """The error as the dialect of the request's path says it."""
    dialect = dialects.of(request.url.path)
    status, content = dialect.render(error, request)
    headers = dict(error.headers or {}) | dialect.headers(error)
    return dialect.response(content, status, headers=headers)


def failed(request: HTTPConnection, error: BaseException) -> Response:
    """The answer to one of KNOWN, or to a failure that nobody foresaw."""
    match error:
        case ApiError():
            return answer(request, error)
        case EngineError():
            return answer(request, of_engine(error))
        case SQLAlchemyError():
            return answer(request, of_store(error))
        case HTTPException():
            status = HTTPStatus(error.status_code)
            headers = dict(error.headers) if error.headers else None
            if status == HTTPStatus.METHOD_NOT_ALLOWED:
                headers = {"Allow": ", ".join(_methods(request))}  # the framework names those of one route only
            return answer(
                request, ApiError(error.status_code, status.name.lower(), f"{status.phrase}.", headers=headers)
            )
    return answer(request, ApiError(500, "internal_error", "The service failed; the log has the request id."))


def install(app: FastAPI) -> None:
    """Registers `failed` for every failure."""

    async def handler(request: Request, error: Exception) -> Response:
        return failed(request, error)

    for kind in (*KNOWN, Exception):
        app.add_exception_handler(kind, handler)

    @app.exception_handler(RequestValidationError)
    async def _parameter(request: Request, error: RequestValidationError) -> Response:
        # Parameters are read before a route's function asks for the key: a stranger hears of that first.
        try:
            await service.of(request).access.check(request, None)
        except ApiError as refusal:
            return answer(request, refusal)
        first = error.errors()[0]  # its place begins with where: path or query
        return answer(request, invalid(tuple(first["loc"][1:]), first["msg"]))


def _methods(request: HTTPConnection) -> list[str]:
    """What may be asked of a path: by the routes that fit it best, of those with and without a variable part."""
    found: dict[int, set[str]] = {}
    for route in request.app.state.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found.setdefault(len(route.param_convertors), set()).update(route.methods or ())
    return sorted(found[min(found)] - {"HEAD"}) if found else []
