"""`/v1/queue` and `/v1/cases`: what waits for a moderator, likeliest to be upheld first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from serving import service
from serving.dialects.bodies import described, parameters, queried, read
from serving.dialects.dialect import failures
from serving.errors import ApiError, ErrorResponse
from serving.moderation import casefiles, queue, sites
from serving.moderation.casefiles import Casefile, Detail
from serving.moderation.queue import MOST, Filters
from serving.moderation.routes.complaints import complaints
from serving.moderation.submissions import Part
from serving.moderation.tables import ID, Case, Moderator, Origin, State
from serving.schemas import AttributeName, Score
from serving.store import now
from serving.triage import REASONS

router = APIRouter(tags=["queue"])
FAILURES = failures(ErrorResponse, 400, 401, 403, 404, 409, 422, 503)


class FilterPart(Part):
    """Which cases; without a filter, all."""

    site: list[str] = Field([], max_length=1000, description="ids of sites; none: all")
    section: str | None = Field(None, max_length=100)
    reason: str | None = Field(None, max_length=32, description="stated by a standing report")
    attribute: AttributeName | None = Field(None, description="with at_least: cases whose text scores that much")
    at_least: Score = 0.0
    origin: Origin | None = None
    escalated: bool | None = None

    def filters(self, claimed: bool | None = None) -> Filters:
        """The same for the queue. Raises ApiError."""
        if self.reason is not None and self.reason not in REASONS:
            raise ApiError(422, "invalid_request", f"reason: expected one of {', '.join(REASONS)}", "reason")
        return Filters(
            self.section, self.reason, self.attribute, self.at_least, self.origin, self.escalated, claimed
        )
