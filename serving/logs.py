"""Structured logs: one JSON object a line on standard error."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import sys
from typing import Any, TextIO

import structlog

ENCODER = json.JSONEncoder(default=repr)  # made once: `json.dumps` with options makes one for each line


class Gathered:
    """A stream that writes the lines of one turn of an event loop together, right after it.

    Each write lets go of the interpreter lock, for which scoring threads wait. What other threads say is
    written at once.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        atexit.register(self._write)

    def write(self, line: str) -> None:
        """Writes soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._stream.write(line)
            self._stream.flush()
            return
        if not self._lines:
            loop.call_soon(self._write)
        self._lines.append(line)

    def flush(self) -> None:
        """Called after each line: nothing to do yet."""

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()


def configure(level: str) -> None:
    """Sends structlog's lines of at least `level` (debug, info, warning, error) to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(Gathered(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )


def _json(line: Any, **options: Any) -> str:
    return ENCODER.encode(line)
