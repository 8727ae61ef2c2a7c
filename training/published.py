"""Figures that others published, from published.toml, each with its source."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "published.toml"


@cache
def published(name: str) -> dict[str, Any]:
    """The table of one data set: `what`, `citation`, `source`, `models` and figures. Raises KeyError if unknown."""
    table: dict[str, Any] = tomllib.loads(PATH.read_text(encoding="utf-8"))[name]
    return table
