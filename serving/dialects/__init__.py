"""The ways in which clients ask for scores: each a thin translation over the one engine."""

from __future__ import annotations

from functools import lru_cache

from serving.dialects import console, coral, native, openai, perspective, tei
from serving.dialects.dialect import Dialect

# Readers' browsers report: this one part of the native API is for pages of any origin.
REPORTS = Dialect("reports", ("/v1/reports", "/v1/reports/"), native.render, browsers=True)
DIALECTS = (
    console.DIALECT,
    REPORTS,
    perspective.DIALECT,
    openai.DIALECT,
    tei.DIALECT,
    coral.DIALECT,
    native.DIALECT,
)


@lru_cache(256)
def of(path: str) -> Dialect:
    """The dialect that a path belongs to; the native one if to no other."""
    return next((dialect for dialect in DIALECTS if dialect.covers(path)), native.DIALECT)
