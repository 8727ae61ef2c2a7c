"""Model artifact -> scores -> decisions: scorer, HTTP API and command line."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("evenhand")
