"""The short way to the routes that are called most."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import dialects, handlers

Endpoint = Callable[[Request], Awaitable[Response]]


class _Request(Request):
    """Reads its body without the generator that the framework has for bodies in pieces."""

    async def body(self) -> bytes:
        """The whole body."""
        if not hasattr(self, "_body"):
            parts = []
            more = True
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(parts)
        return self._body


class Direct:
    """Calls the endpoints of exact paths at once; the framework's layers (middleware, routing, dependencies, handlers
    of failures) take as long as all that is done for such a request. What is not a plain POST to one of them, or comes
    from a page elsewhere, goes through those layers, where the same endpoints are routes like any other.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self.app = app
        self.endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI connection."""
        endpoint = self.endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] != "POST" or any(name == b"origin" for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return
        request = _Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except handlers.KNOWN as error:
            response = handlers.failed(request, error)
        if dialects.of(scope["path"]).browsers:
            response.headers["Vary"] = "Origin"  # as serving/cors.py has it said of every answer
        await response(scope, receive, send)
