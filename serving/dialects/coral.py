"""Coral."""

from fastapi import APIRouter

from serving.dialects.dialect import Dialect
from serving.dialects.native import render

DIALECT = Dialect("coral", ("/coral/",), render)
router = APIRouter()
