"""Hooks: the addresses of comment systems that are told of decisions, and what could not be delivered to them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from serving.moderation import audit
from serving.moderation.problems import invalid, missing
from serving.moderation.tables import Delivery, Hook
from serving.moderation.webhooks import EVENTS
from serving.settings import Mode, loopback
from serving.store import now

LONGEST = 2000  # characters of an address
REMOVED = "the hook was removed"


def check(url: str, mode: Mode) -> None:
    """Raises ModerationError for an address that nothing is sent to.

    In keys mode it is https, or this machine: so neither a network in between reads along, nor does http that asks for
    no certificate, as clouds' metadata services speak, ever get a request. Private addresses are allowed: that is
    where comment systems are, and only admins make hooks.
    """
    rule = "expected https://, or http:// to this machine" if mode == "keys" else "expected http:// or https://"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise invalid("url", rule) from None
    plain = parts.scheme == "http" and (mode == "local" or loopback(host))
    if not host or not (parts.scheme == "https" or plain) or len(url) > LONGEST or not url.isprintable() or " " in url:
        raise invalid("url", f"{rule}, at most {LONGEST:,} characters")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise invalid("url", "expected no name, password or fragment; requests are signed")


def add(session: Session, site_id: str, url: str, events: Sequence[str], mode: Mode, actor: str) -> Hook:
    """A new hook for events, or all if none is named, with a secret to sign by. Raises ModerationError."""
    check(url, mode)
    if unknown := [event for event in events if event not in EVENTS]:
        raise invalid("events", f"expected some of {', '.join(EVENTS)}, found {unknown[0][:64]!r}")
    secret = "whsec_" + secrets.token_urlsafe(32)
    hook = Hook(site_id=site_id, url=url, secret=secret, events=list(dict.fromkeys(events)))
    session.add(hook)
    session.flush()
    # Not the address: some receivers' addresses are secrets themselves.
    audit.append(session, actor, "hook.added", f"hook:{hook.id}", site=site_id, details={"events": hook.events})
    return hook


def find(session: Session, hook_id: str) -> Hook:
    """A hook that was not removed. Raises ModerationError."""
    found = session.get(Hook, hook_id) if hook_id.isalnum() else None
    if found is None or found.disabled_at:
        raise missing("hook")
    return found


def every(session: Session, site_id: str | None = None) -> list[Hook]:
    """The hooks that were not removed, of one site or all."""
    wanted = select(Hook).where(Hook.disabled_at.is_(None)).order_by(Hook.site_id, Hook.created_at, Hook.id)
    return list(session.scalars(wanted.where(Hook.site_id == site_id) if site_id else wanted))


def remove(session: Session, hook: Hook, actor: str) -> None:
    """Ends a hook; what waits for it is dead, and its secret is forgotten."""
    hook.disabled_at, hook.secret = now(), ""
    waiting = (Delivery.hook_id == hook.id, Delivery.delivered_at.is_(None), Delivery.dead_at.is_(None))
    session.execute(update(Delivery).where(*waiting).values(dead_at=hook.disabled_at, problem=REMOVED))
    audit.append(session, actor, "hook.removed", f"hook:{hook.id}", site=hook.site_id)


def dead(hook_id: str) -> Select[Delivery]:
    """What was given up of a hook."""
    return select(Delivery).where(Delivery.hook_id == hook_id, Delivery.dead_at.is_not(None))


def replay(session: Session, hook: Hook, actor: str, since: datetime | None = None) -> int:
    """Sends all that was given up once more, or what was given up since a moment; how many.

    Receivers that heed `sequence` are not confused by what is late.
    """
    wanted = [Delivery.hook_id == hook.id, Delivery.dead_at.is_not(None)]
    if since is not None:
        wanted.append(Delivery.dead_at >= since)
    ids = list(session.scalars(select(Delivery.sequence).where(*wanted)))
    again = {"dead_at": None, "attempts": 0, "next_at": now(), "problem": None}
    session.execute(update(Delivery).where(*wanted).values(**again))
    audit.append(
        session, actor, "hook.replayed", f"hook:{hook.id}", site=hook.site_id, details={"deliveries": len(ids)}
    )
    return len(ids)
