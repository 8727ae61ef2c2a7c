"""Policies as a site keeps them: numbered versions of its file, of which at most one is live and one in shadow.

A version's text never changes. draft: read by nobody but its authors. shadow: asked about every comment beside the live
one, and what it would have done is recorded. live: decides. retired: was live, or was given up; it can come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving import policy
from serving.moderation import audit
from serving.moderation.sites import SiteError
from serving.moderation.tables import Policy as Version
from serving.moderation.tables import PolicyState, Site
from serving.policy import Decision, Facts, Policy, PolicyError, Rule
from serving.store import now

MAX_NOTE = 500  # characters

# From each state to which others. A live version is replaced or retired, never put back to be a draft.
CHANGES: dict[PolicyState, frozenset[PolicyState]] = {
    "draft": frozenset({"shadow", "live", "retired"}),
    "shadow": frozenset({"draft", "live", "retired"}),
    "live": frozenset({"retired"}),
    "retired": frozenset({"draft", "shadow", "live"}),
}
# What becomes of the version that held a state of which there is only one.
DISPLACED: dict[PolicyState, PolicyState] = {"live": "retired", "shadow": "draft"}

HOLD_ALL = Policy((Rule(action="hold"),))


class VersionError(ValueError):
    """A version cannot be found or changed. `field` is to blame; the message names it and the rule."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


@dataclass(frozen=True)
class Standing:
    """A policy that is asked: its row's id and its version; None for the one that holds until a site has its own."""

    policy: Policy
    id: int | None = None
    version: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The live policy's decision on a comment. `policy_id` and `record` are for the columns `policy_id` and `rule` of
    the row in `decisions`; `record` is Decision.record with the facts, the version and, if there is one, what the
    shadow would have done: `shadow: {version, action, why, reasons}`.
    """

    decision: Decision
    policy_id: int | None
    record: dict[str, Any]


def save(
    session: Session, site: str, source: str, *, actor: str, note: str | None = None, moderator_id: int | None = None
) -> Version:
    """Keeps a text as the site's next version, a draft. `actor` is as the audit log has it.

    Raises PolicyError if the text is no policy, VersionError for a note over 500 characters, SiteError for a site that
    is not there.
    """
    policy.parse(source)
    if note is not None and len(note) > MAX_NOTE:
        raise VersionError("note", f"{len(note)} characters; at most {MAX_NOTE}")
    _lock(session, site)
    latest = session.scalar(select(func.max(Version.version)).where(Version.site_id == site)) or 0
    row = Version(
        site_id=site, version=latest + 1, state="draft", source=source, note=note or None, moderator_id=moderator_id
    )
    session.add(row)
    session.flush()
    audit.append(session, actor, "policy.saved", f"policy:{row.id}", site=site, details={"version": row.version})
    return row


def versions(session: Session, site: str) -> list[Version]:
    """All versions of a site, the latest first."""
    return list(session.scalars(select(Version).where(Version.site_id == site).order_by(Version.version.desc())))


def find(session: Session, site: str, version: int) -> Version:
    """A version by its number. Raises VersionError."""
    found = session.scalar(select(Version).where(Version.site_id == site, Version.version == version))
    if found is None:
        raise VersionError("version", f"the site {site[:64]!r} has no version {version}")
    return found


def change(session: Session, site: str, version: int, state: PolicyState, *, actor: str) -> Version:
    """Puts a version into another state, and the one that was there before it out of it: live becomes retired, shadow a
    draft again. Without a live one the default policy holds. Nothing happens if it is in that state already.

    Raises VersionError if there is no such version or no way from its state to this one, PolicyError if it is to be
    live or in shadow and is no valid policy any more, SiteError for a site that is not there.
    """
    _lock(session, site)
    row = find(session, site, version)
    if row.state == state:
        return row
    if state not in CHANGES[row.state]:
        ways = ", ".join(sorted(CHANGES[row.state]))
        raise VersionError("state", f"version {version} is {row.state}; from there it can become {ways}")
    if state in DISPLACED:
        policy.parse(row.source)
        other = session.scalar(select(Version).where(Version.site_id == site, Version.state == state))
        if other is not None:
            _put(session, other, DISPLACED[state], actor)
            session.flush()  # before the other one comes: the index allows one at any time
    _put(session, row, state, actor)
    session.flush()
    return row


def live(session: Session, site: str) -> Standing:
    """The policy that decides for a site: its live version, else policy.DEFAULT. Parsed once for each text.

    A live version that an upgrade has made invalid (an attribute is gone) holds every comment, and the log says why:
    the rules that a site counts on must not fall away silently.
    """
    return _standing(session, site, "live") or Standing(policy.DEFAULT)


def shadow(session: Session, site: str) -> Standing | None:
    """The version in shadow, if there is one that is valid."""
    found = _standing(session, site, "shadow")
    return None if found is None or found.policy is HOLD_ALL else found


def decide(session: Session, site: str, scores: dict[str, float], facts: Facts) -> Outcome:
    """What the site's live policy does with a comment, with what its shadow would have done beside it."""
    standing, beside = live(session, site), shadow(session, site)
    decision = policy.decide(standing.policy, scores, facts)
    record = decision.record(facts) | {"version": standing.version}
    if beside is not None:
        would = policy.decide(beside.policy, scores, facts).record()
        record["shadow"] = {"version": beside.version} | {key: would[key] for key in ("action", "why", "reasons")}
    return Outcome(decision, standing.id, record)


def _standing(session: Session, site: str, state: PolicyState) -> Standing | None:
    found = session.execute(
        select(Version.id, Version.version, Version.source).where(Version.site_id == site, Version.state == state)
    ).first()
    if found is None:
        return None
    try:
        return Standing(_parsed(found.source), found.id, found.version)
    except PolicyError as error:
        log = structlog.get_logger()
        log.error("a policy is not valid any more", site=site, version=found.version, state=state, reason=str(error))
        return Standing(HOLD_ALL, found.id, found.version)


@lru_cache(256)
def _parsed(source: str) -> Policy:
    return policy.parse(source)


def _lock(session: Session, site: str) -> None:
    """Makes others who change this site's policies wait. Raises SiteError."""
    if session.get(Site, site, with_for_update=True) is None:
        raise SiteError("site", f"there is no site {site[:64]!r}")


def _put(session: Session, row: Version, state: PolicyState, actor: str) -> None:
    details = {"version": row.version, "from": row.state, "to": state}
    row.state, row.changed_at = state, now()
    audit.append(session, actor, "policy.changed", f"policy:{row.id}", site=row.site_id, details=details)
