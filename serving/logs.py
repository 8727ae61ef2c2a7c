"""Structured logs: one JSON object a line on standard error."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import structlog

ENCODER = json.JSONEncoder(default=repr)  # made once: `json.dumps` with options makes one for each line


def configure(level: str) -> None:
    """Sends structlog's lines of at least `level` (debug, info, warning, error) to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _json(line: Any, **options: Any) -> str:
    return ENCODER.encode(line)
