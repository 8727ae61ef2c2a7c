"""The publications that are moderated here, and their settings."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation import audit
from serving.moderation.records import Country
from serving.moderation.tables import Site
from serving.store import now

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class SiteError(ValueError):
    """A site cannot be found or made. `field` is to blame; the message names it and the rule."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class SiteSettings(BaseModel):
    """What a site chooses. docs/operators.md has the table."""

    # Strict: true is no number of days, although Python takes it for 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    lease_seconds: int = Field(600, ge=10, le=86_400, description="how long a claimed case is one moderator's")
    undo_seconds: int = Field(3600, ge=0, le=604_800, description="how long a decision can be undone")
    appeal_days: int = Field(183, ge=0, le=3650, description="how long a removal can be appealed; six months, DSA")
    reports_per_hour: int = Field(30, ge=1, le=100_000, description="reports that one reader may file")
    retention_days: int | None = Field(None, ge=1, le=36_500, description="how long texts are kept; null: for good")
    terms_url: str | None = Field(None, max_length=2000, pattern=r"^https?://", description="the house rules")
    legal_ground: str | None = Field(
        None, min_length=1, max_length=500, description="law of removals as illegal that name none"
    )
    territories: list[Country] = Field(
        [], max_length=30, description="countries of the EEA where a removal holds; none: everywhere"
    )
    redress: str | None = Field(None, max_length=500, description="what else an author can do against a decision")


def settings(site: Site) -> SiteSettings:
    """A site's settings, with the defaults of what it did not choose."""
    return SiteSettings.model_validate(site.settings)


def find(session: Session, site: str) -> Site:
    """A site by its id. Raises SiteError."""
    found = session.get(Site, site) if SLUG.fullmatch(site) else None
    if found is None:
        raise SiteError("site", f"there is no site {site[:64]!r}")
    return found


def every(session: Session) -> list[Site]:
    """All sites by id."""
    return list(session.scalars(select(Site).order_by(Site.id)))


def put(session: Session, site: str, name: str, chosen: SiteSettings | None, actor: str) -> Site:
    """Makes a site, or changes its name and, unless None, its settings. Raises SiteError."""
    if not SLUG.fullmatch(site):
        raise SiteError("id", "expected 1 to 64 of a-z, 0-9 and hyphens, none at its ends")
    if not name.strip() or len(name) > 200:
        raise SiteError("name", "expected 1 to 200 characters")
    row = session.get(Site, site)
    made = row is None
    if row is None:
        row = Site(id=site, name=name.strip())
        session.add(row)
    row.name = name.strip()
    if chosen is not None:
        row.settings = chosen.model_dump(exclude_unset=True)
    action = "site.made" if made else "site.changed"
    audit.append(session, actor, action, f"site:{site}", site=site, details=dict(row.settings or {}))
    return row


def read_settings(values: dict[str, object]) -> SiteSettings:
    """Settings from outside. Raises SiteError for the first bad one."""
    try:
        return SiteSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise SiteError(".".join(map(str, first["loc"])) or "settings", first["msg"]) from None


def touch(site: Site) -> None:
    """Notes that evidence has changed, so that the queue is ranked again before it is next read.

    Last of all but the audit entry: all that changes a site's evidence waits for its row.
    """
    site.touched_at = now()
