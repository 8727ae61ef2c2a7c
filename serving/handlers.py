"""Makes every failure of the application an answer in the shape of the dialect that was spoken."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from serving import dialects, engine, service
from serving.errors import ApiError, invalid, of_engine


def answer(request: HTTPConnection, error: ApiError) -> Response:
    """The error as the dialect of the request's path says it."""
    dialect = dialects.of(request.url.path)
    status, content = dialect.render(error, request)
    headers = dict(error.headers or {}) | dialect.headers(error)
    return dialect.response(content, status, headers=headers)


def install(app: FastAPI) -> None:
    """Registers the handlers."""

    @app.exception_handler(ApiError)
    async def _known(request: Request, error: ApiError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _parameter(request: Request, error: RequestValidationError) -> Response:
        # Parameters are read before a route's function asks for the key: a stranger hears of that first.
        try:
            await service.of(request).access.check(request, None)
        except ApiError as refusal:
            return answer(request, refusal)
        first = error.errors()[0]  # its place begins with where: path or query
        return answer(request, invalid(tuple(first["loc"][1:]), first["msg"]))

    @app.exception_handler(engine.EngineError)
    async def _engine(request: Request, error: engine.EngineError) -> Response:
        return answer(request, of_engine(error))

    @app.exception_handler(SQLAlchemyError)
    async def _store(request: Request, error: SQLAlchemyError) -> Response:
        structlog.get_logger().error("the database failed", type=type(error).__name__)
        message = "The database does not answer; try again later."
        return answer(request, ApiError(503, "store_unavailable", message, headers={"Retry-After": "5"}))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        headers = dict(error.headers) if error.headers else None
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": ", ".join(_methods(app, request))}  # the framework names those of one route only
        return answer(request, ApiError(error.status_code, status.name.lower(), f"{status.phrase}.", headers=headers))


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What may be asked of a path."""
    methods: set[str] = set()
    for route in app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)
