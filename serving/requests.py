"""Middleware around every request: an id, bounds, security headers, metrics, and one log line without a comment."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import compression, dialects
from serving.errors import ApiError
from serving.handlers import answer, failed
from serving.metrics import Metrics
from serving.wire import WATCH

LOG = structlog.get_logger()
REQUEST_ID = re.compile(rb"(?!evh_)[A-Za-z0-9._-]{1,64}")  # no key
# What a client with a fault puts into the path (a key, a query behind an escaped question mark), and whom it is about.
SECRET = re.compile(r"\?.*|evh_[\w-]*", re.DOTALL)
PERSON = re.compile(r"(/authors/|/reporters/)[^/]+")
IDS = random.Random()  # no secrets: what the system gives for those takes a call to it
CLIENT_CLOSED = 499  # as nginx logs it: nobody is left to answer

_COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
SECURITY = (
    *_COMMON,
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# The documentation page is the one that runs scripts: its own, from this server.
PAGES = (
    *_COMMON,
    (b"cache-control", b"no-cache"),
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    ),
)


def _shown(path: str) -> str:
    """What of a path is logged."""
    return PERSON.sub(r"\1{id}", SECRET.sub("…", path))


class Requests:
    """Gives each request an id (the caller's `X-Request-ID` if it is well-formed) and echoes it; answers 413
    to a body over `max_body_bytes`, decoded or not, and 431 to headers over `max_header_bytes`; decodes a body that is
    compressed; ends the work when the client goes away; counts; and logs method, path, status and milliseconds.
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
        headers = dict(reversed(scope["headers"]))  # the first of each name
        given = headers.get(b"x-request-id", b"")
        request_id = (given if REQUEST_ID.fullmatch(given) else b"%032x" % IDS.getrandbits(128)).decode()
        scope.setdefault("state", {})["request_id"] = request_id
        length = headers.get(b"content-length", b"")
        declared = int(length) if length.isdigit() else 0
        encoding = headers.get(b"content-encoding", b"")
        began, status, received = time.perf_counter(), 0, 0
        dialect = dialects.of(scope["path"])
        extra = PAGES if scope["path"].startswith(("/docs", "/static")) else SECURITY

        work = asyncio.current_task()
        assert work
        watch = scope.get("extensions", {}).get(WATCH)  # only this project's own server has it
        rest: Callable[[], None] | None = None
        coded: compression.Plain | None = None
        gone = False

        def left() -> None:
            """Ends the work: the client went away once its request was read."""
            nonlocal gone
            gone = True
            work.cancel()

        async def bounded() -> Message:
            nonlocal received, gone, rest, coded
            # What is raised here is raised where the application reads, so that it answers in its own error shape.
            if declared > self.max_body_bytes:
                raise self._too_large()
            message = await receive()
            if encoding and message["type"] == "http.request":
                coded = coded or compression.body(encoding, self.max_body_bytes)
                piece = coded.decode(message.get("body", b""), last=not message.get("more_body", False))
                message = {**message, "body": piece}
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                raise self._too_large()
            if message["type"] == "http.disconnect":
                gone = True
            elif watch and rest is None and not message.get("more_body", False):
                rest = watch(left)
            return message

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = message.get("headers", ())
                names = {name for name, _ in own}
                added = [(b"x-request-id", request_id.encode()), *(pair for pair in extra if pair[0] not in names)]
                message["headers"] = [*own, *added]
                if more := scope["state"].get("answer_headers"):
                    MutableHeaders(scope=message).update(more)
            elif rest and not message.get("more_body", False):
                rest()  # who leaves with the whole answer has not left
            await send(message)

        try:
            line = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
            if line + sum(len(name) + len(value) for name, value in scope["headers"]) > self.max_header_bytes:
                text = f"Address and headers are larger than {self.max_header_bytes} bytes."
                error = ApiError(431, "headers_too_large", text)
                await answer(HTTPConnection(scope), error)(scope, receive, reply)
                return
            await self.app(scope, bounded, reply)
        except asyncio.CancelledError:
            if gone:
                if work.uncancel():
                    raise
            elif status:
                raise
            else:  # the server stops, and waits no longer for the rest of a request
                error = ApiError(503, "not_ready", "The service is stopping.", headers={"Connection": "close"})
                await answer(HTTPConnection(scope), error)(scope, receive, reply)
        except ClientDisconnect:
            pass
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a library in Rust that panics raises no Exception
            # Caught here and not passed on: the server would log the message, which could quote a comment.
            LOG.error("unexpected error", type=type(error).__name__, request_id=request_id)
            if not status:
                await failed(HTTPConnection(scope), error)(scope, receive, reply)
        finally:
            if rest:
                rest()
            took = time.perf_counter() - began
            status = CLIENT_CLOSED if gone or not status else status
            self.metrics.request(dialect.name, status, took)
            LOG.info(
                "request",
                method=scope["method"],
                path=_shown(scope["path"]),  # never the query: keys may travel there
                status=status,
                ms=round(took * 1000, 1),
                request_id=request_id,
            )

    def _too_large(self) -> ApiError:
        text = f"The body is larger than {self.max_body_bytes} bytes."
        return ApiError(413, "body_too_large", text, headers={"Connection": "close"})
