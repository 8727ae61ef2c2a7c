"""Policies as a site keeps them: numbered versions of its file, of which at most one is live and one in shadow.

A version's text never changes. draft: read by nobody but its authors. shadow: asked about every comment beside the live
one, and what it would have done is recorded. live: decides. retired: was live, or was given up; it can come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving import policy
from serving.moderation import audit, history, sites
from serving.moderation.problems import conflict, invalid, missing
from serving.moderation.tables import Decision as Decided
from serving.moderation.tables import Policy as Version
from serving.moderation.tables import PolicyState
from serving.policy import Decision, Facts, Policy, PolicyError, Rule
from serving.policy.backtest import Report
from serving.policy.backtest import backtest as compare
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

    Raises PolicyError if the text is no policy, ModerationError for a note over 500 characters, SiteError for a site
    that is not there.
    """
    policy.parse(source)
    if note is not None and len(note) > MAX_NOTE:
        raise invalid("note", f"{len(note)} characters; at most {MAX_NOTE}")
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
    """A version by its number. Raises ModerationError unknown_version."""
    found = session.scalar(select(Version).where(Version.site_id == site, Version.version == version))
    if found is None:
        raise missing("version", f"the site {site[:64]!r} has no version {version}")
    return found


def change(session: Session, site: str, version: int, state: PolicyState, *, actor: str) -> Version:
    """Puts a version into another state, and the one that was there before it out of it: live becomes retired, shadow a
    draft again. Without a live one the default policy holds. Nothing happens if it is in that state already.

    Raises ModerationError (unknown_version; policy_state: no way from its state to this one), PolicyError if it is to
    be live or in shadow and is no valid policy any more, SiteError for a site that is not there.
    """
    _lock(session, site)
    row = find(session, site, version)
    if row.state == state:
        return row
    if state not in CHANGES[row.state]:
        ways = ", ".join(sorted(CHANGES[row.state]))
        raise conflict("policy_state", "state", f"version {version} is {row.state}; from there it can become {ways}")
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
    return _standing(session, site)[0]


def shadow(session: Session, site: str) -> Standing | None:
    """The version in shadow, if there is one that is valid."""
    return _standing(session, site)[1]


def decide(session: Session, site: str, scores: Mapping[str, float], facts: Facts) -> Outcome:
    """What the site's live policy does with a comment, with what its shadow would have done beside it."""
    standing, beside = _standing(session, site)
    decision = policy.decide(standing.policy, scores, facts)
    record = decision.record(facts) | {"version": standing.version}
    if beside is not None:
        would = policy.decide(beside.policy, scores, facts).record()
        record["shadow"] = {"version": beside.version} | {key: would[key] for key in ("action", "why", "reasons")}
    return Outcome(decision, standing.id, record)


def shadowed(session: Session, site: str, version: int) -> dict[tuple[str, str], int]:
    """What a version did while it was in shadow: how many comments by (live action, its action), as recorded."""
    seen, would = Decided.rule["shadow"]["version"].as_integer(), Decided.rule["shadow"]["action"].as_string()
    wanted = select(Decided.action, would, func.count()).where(
        Decided.site_id == site, Decided.actor == "policy", seen == version
    )
    return {(did, other): count for did, other, count in session.execute(wanted.group_by(Decided.action, would))}


def backtest(session: Session, site: str, source: str, *, limit: int = 5000, examples: int = 3) -> Report:
    """What would change if a text went live: against the live policy, over the latest `limit` comments of the site.

    Some 10,000 comments take a second or two. Raises PolicyError, SiteError.
    """
    draft = policy.parse(source)
    sites.find(session, site)
    rows = history.rows(session, site, limit=limit)
    return compare(live(session, site).policy, draft, rows, examples=examples)


def _standing(session: Session, site: str) -> tuple[Standing, Standing | None]:
    """The policy that decides, and the one in shadow."""
    wanted = select(Version.id, Version.version, Version.state, Version.source)
    decides = Standing(policy.DEFAULT)
    beside: Standing | None = None
    for row in session.execute(wanted.where(Version.site_id == site, Version.state.in_(("live", "shadow")))):
        found: Standing | None = None
        try:
            found = Standing(_parsed(row.source), row.id, row.version)
        except PolicyError as error:
            log = structlog.get_logger()
            log.error(
                "a policy is not valid any more", site=site, version=row.version, state=row.state, reason=str(error)
            )
        if row.state == "shadow":
            beside = found
        else:
            decides = found or Standing(HOLD_ALL, row.id, row.version)
    return decides, beside


@lru_cache(256)
def _parsed(source: str) -> Policy:
    return policy.parse(source)


def _lock(session: Session, site: str) -> None:
    """Makes others who change this site's policies wait. Raises SiteError."""
    session.refresh(sites.find(session, site), with_for_update=True)


def _put(session: Session, row: Version, state: PolicyState, actor: str) -> None:
    details = {"version": row.version, "from": row.state, "to": state}
    row.state, row.changed_at = state, now()
    audit.append(session, actor, "policy.changed", f"policy:{row.id}", site=row.site_id, details=details)
