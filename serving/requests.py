"""Middleware around every request: an id, bounds, security headers, metrics, and one log line without a comment."""

from __future__ import annotations

import re
import time
import uuid

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import dialects
from serving.errors import ApiError
from serving.handlers import answer
from serving.metrics import Metrics

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_CLOSED = 499  # as nginx logs it: nobody is left to answer

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# The documentation page is the one that runs scripts: its own, from this server.
PAGES = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


class Requests:
    """Gives each request an id (the caller's `X-Request-ID` if it is well-formed) and echoes it; answers 413
    to a body over `max_body_bytes` and 431 to headers over `max_header_bytes`; ends the work when the
    client goes away; counts; and logs method, path, status and milliseconds.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, max_body_bytes: int, max_header_bytes: int) -> None:
        self.app = app
        self.metrics = metrics
        self.max_body_bytes = max_body_bytes
        self.max_header_bytes = max_header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        length = headers.get("content-length", "")
        declared = int(length) if length.isascii() and length.isdigit() else 0
        began, status, received = time.perf_counter(), 0, 0
        read = anyio.Event()
        log = structlog.get_logger()
        dialect = dialects.of(scope["path"])
        extra = SECURITY | (PAGES if scope["path"].startswith(("/docs", "/static")) else {})

        async def bounded() -> Message:
            nonlocal received
            if declared > self.max_body_bytes:
                raise self._too_large()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                # Raised where the application reads, so that it answers in its own error shape.
                raise self._too_large()
            if not message.get("more_body", False):
                read.set()
            return message

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-ID"] = request_id
                for name, value in extra.items():
                    sent.setdefault(name, value)
                for name, value in scope["state"].get("answer_headers", {}).items():
                    sent[name] = value
            await send(message)

        async def until_gone() -> None:
            """Ends the work if the client goes away once its request is read."""
            await read.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > self.max_header_bytes:
                error = ApiError(
                    431, "headers_too_large", f"The headers are larger than {self.max_header_bytes} bytes."
                )
                await answer(HTTPConnection(scope), error)(scope, receive, reply)
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_gone)
                await self.app(scope, bounded, reply)
                tasks.cancel_scope.cancel()
        except Exception as error:
            # Caught here and not passed on: the server would log the message, which could quote a comment.
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            log.error("unexpected error", type=type(error).__name__, request_id=request_id)
            if not status:
                failure = ApiError(500, "internal_error", "The service failed; the log has the request id.")
                await answer(HTTPConnection(scope), failure)(scope, receive, reply)
        finally:
            took = time.perf_counter() - began
            self.metrics.requests.labels(dialect.name, str(status or CLIENT_CLOSED)).inc()
            self.metrics.request_seconds.labels(dialect.name).observe(took)
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],  # never the query: keys may travel there
                status=status or CLIENT_CLOSED,
                ms=round(took * 1000, 1),
                request_id=request_id,
            )

    def _too_large(self) -> ApiError:
        text = f"The body is larger than {self.max_body_bytes} bytes."
        return ApiError(413, "body_too_large", text, headers={"Connection": "close"})
