"""Middleware around every request: an id, a bounded body, and one log line that holds no comment."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ApiError, payload

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Requests:
    """Gives each request an id (the caller's `X-Request-ID` if it is well-formed), echoes it, logs one
    line with method, path, status and milliseconds, and answers 413 to a body over `max_body_bytes`.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

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
        began, started, status, received = time.perf_counter(), False, 500, 0
        log = structlog.get_logger()

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if max(received, declared) > self.max_body_bytes:
                # Raised where the application reads, so that it answers in its own error shape.
                text = f"The body is larger than {self.max_body_bytes} bytes."
                raise ApiError(413, "body_too_large", text, headers={"Connection": "close"})
            return message

        async def answer(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, bounded, answer)
        except Exception as error:
            # Caught here and not passed on: the server would log the message, which could quote a comment.
            log.error("unexpected error", type=type(error).__name__, request_id=request_id)
            if not started:
                text = "The service failed; the log has the request id."
                failure = JSONResponse(payload(request_id, "internal_error", text), 500)
                await failure(scope, receive, answer)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],  # never the query: keys may travel there
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 1),
                request_id=request_id,
            )
