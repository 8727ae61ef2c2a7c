"""All pages of the console, in the order of the navigation."""

from __future__ import annotations

from fastapi import APIRouter

from serving.console import (
    appeals,
    audit,
    batch,
    case,
    front,
    good,
    insights,
    people,
    policy,
    preferences,
    queue,
    teach,
)
from serving.console.desk import Desk
from serving.console.rendering import show_in_navigation

PAGES: tuple[Desk, ...] = (
    front.desk, queue.desk, case.desk, batch.desk, good.desk, teach.desk, appeals.desk, policy.desk, insights.desk,
    people.desk, audit.desk, preferences.desk,
)  # fmt: skip

router = APIRouter()
for _page in PAGES:
    router.routes.extend(_page.routes)
show_in_navigation(PAGES)
