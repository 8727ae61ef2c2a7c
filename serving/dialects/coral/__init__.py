"""Coral's External Moderation Phase; its Perspective phase speaks the dialect `perspective`."""

from __future__ import annotations

from serving.dialects.coral.routes import router
from serving.dialects.dialect import Dialect
from serving.dialects.native import render

__all__ = ["DIALECT", "router"]

DIALECT = Dialect("coral", ("/coral/",), render)
