"""The ways in which clients ask for scores: each a thin translation over the one engine."""

from __future__ import annotations

from serving.console import errors as console
from serving.dialects import coral, native, openai, perspective, tei
from serving.dialects.dialect import Dialect

DIALECTS = (console.DIALECT, perspective.DIALECT, openai.DIALECT, tei.DIALECT, coral.DIALECT, native.DIALECT)


def of(path: str) -> Dialect:
    """The dialect that a path belongs to; the native one if to no other."""
    return next((dialect for dialect in DIALECTS if dialect.covers(path)), native.DIALECT)
