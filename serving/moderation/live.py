"""The policy that a site's comments are decided by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving import policy
from serving.moderation.tables import Policy


@dataclass(frozen=True, slots=True)
class Live:
    """A policy and the number of its version's row; None: the default one, as the site has none of its own."""

    policy: policy.Policy
    id: int | None = None


def policy_of(session: Session, site_id: str) -> Live:
    """The live policy of a site."""
    wanted = select(Policy.id, Policy.source).filter_by(site_id=site_id, state="live")
    found = session.execute(wanted).first()
    return Live(_parsed(found.source), found.id) if found else Live(policy.DEFAULT)


@lru_cache(64)
def _parsed(source: str) -> policy.Policy:
    return policy.parse(source)
