"""The HTTP API of moderation, a module for each noun: JSON in the native shape, keys with a scope."""

from __future__ import annotations

from fastapi import APIRouter

from serving.moderation.routes import decisions, hooks, sites

ROUTERS: tuple[APIRouter, ...] = (sites.router, decisions.router, hooks.router)
