"""The HTTP API of moderation, a module for each noun: JSON in the native shape, keys with a scope."""

from __future__ import annotations

from fastapi import APIRouter

from serving.moderation.routes import (
    appeals,
    comments,
    decisions,
    hooks,
    policies,
    privacy,
    queue,
    reports,
    sites,
    statements,
    transparency,
)

ROUTERS: tuple[APIRouter, ...] = (
    sites.router,
    comments.router,
    reports.router,
    queue.router,
    decisions.router,
    appeals.router,
    hooks.router,
    statements.router,
    transparency.router,
    privacy.router,
    policies.router,
)
