"""How answers reach the socket, and requests hear that their client has left."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

WATCH = "evenhand.watch"  # of a request's ASGI extensions: Protocol.watch


class Joined:
    """A transport that passes on in one piece what is written to it in one turn of the event loop: otherwise head and
    body of an answer are a system call, a packet and a wake-up of the client each.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Sends soon."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Closes when all is sent."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Sends now."""
        waiting, self._waiting = self._waiting, []
        # A client may have left since: uvloop raises if its transport is written to then, where asyncio's only warns.
        if waiting and not self._transport.is_closing():
            self._transport.write(b"".join(waiting))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP over such a transport. Each request can ask to be called when its client goes away: what ASGI has
    for that, a message that a task must wait for, takes a tenth of all that a request takes.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._watching: set[Callable[[], None]] = set()
        self._offered = 0
        self._told = False  # whether the parser made something of the piece that is being read
        self._kept = 0  # bytes since then: of an unfinished head, or of what may follow a body in chunks

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the event loop."""
        super().connection_made(cast(asyncio.Transport, Joined(transport, self.loop)))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        super().on_message_begin()
        self._told = True
        self.scope["extensions"] = cast(Any, {WATCH: self.watch})

    def data_received(self, data: bytes) -> None:
        """Called by the event loop. A request that offers another protocol is read as if it did not: Java's clients
        offer HTTP/2 with every first request, and the parser takes no body of it.
        """
        self._unset_keepalive_if_required()
        self._told = False
        size = len(data)
        try:
            while not self._fed(data):
                # Told again without the offer, and what came after it. In a loop: many may come in one piece.
                kept = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
                version = self.parser.get_http_version().encode()
                line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
                self.parser = httptools.HttpRequestParser(self)
                data = b"".join([line, *kept, b"\r\n", data[self._offered :]])
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")
            return
        self._kept = 0 if self._told else self._kept + size
        if self._kept > (self.config.h11_max_incomplete_event_size or math.inf):  # the parser keeps any length
            self._refuse("Request head or trailers too large.")

    def _fed(self, data: bytes) -> bool:
        """Whether the parser took all of it; else it stopped at `_offered`, behind a head with an offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._offered = offer.args[0]
            return not self._offers()
        return True

    def _refuse(self, message: str) -> None:
        self.logger.warning(message)
        self.send_400_response(message)

    def on_response_complete(self) -> None:
        """Called when an answer is written. It leaves now: a turn of the event loop may wait for a scoring thread."""
        cast(Joined, self.transport).flush()
        super().on_response_complete()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._told = True
        if not self._offers():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._told = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._told = True
        if not self._offers():
            super().on_message_complete()

    def _offers(self) -> bool:
        """Whether the request that is being read offers another protocol. To the parser CONNECT does too."""
        return self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)

    def watch(self, left: Callable[[], None]) -> Callable[[], None]:
        """Has `left` called if the client goes away before what this returns is called."""
        self.flow.resume_reading()  # a body larger than the server's buffer may have stopped it
        self._watching.add(left)
        return partial(self._watching.discard, left)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        super().connection_lost(exc)
        watching, self._watching = self._watching, set()
        for left in watching:
            left()
