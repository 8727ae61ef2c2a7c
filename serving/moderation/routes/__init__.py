"""The HTTP API of moderation, a module for each noun: JSON in the native shape, keys with a scope."""

from __future__ import annotations

from fastapi import APIRouter

from serving.moderation.routes import appeals, comments, decisions, hooks, queue, reports, sites

ROUTERS: tuple[APIRouter, ...] = (
    sites.router,
    comments.router,
    reports.router,
    queue.router,
    decisions.router,
    appeals.router,
    hooks.router,
)
