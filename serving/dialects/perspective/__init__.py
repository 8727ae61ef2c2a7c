"""Google's Perspective Comment Analyzer API, v1alpha1: analyze, suggestscore, discovery and batch."""

from __future__ import annotations

from serving.dialects.dialect import Dialect
from serving.dialects.perspective.errors import render
from serving.dialects.perspective.routes import ANALYZE, Json, analyze_comment, router

__all__ = ["ANALYZE", "DIALECT", "analyze_comment", "router"]

DIALECT = Dialect("perspective", ("/v1alpha1/", "/$discovery/", "/batch"), render, browsers=True, response=Json)
