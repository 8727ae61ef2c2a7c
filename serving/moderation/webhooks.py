"""Webhooks: what a comment system is told, written down in the transaction that it tells of, and sent afterwards.

This module is the outbox; serving/moderation/sending.py empties it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation.tables import Comment, Delivery, Hook

Event = Literal[
    "comment.published",  # shown from now on; it was held, or is new
    "comment.held",  # not shown until a person has decided
    "comment.removed",
    "comment.restored",  # shown again after a removal
    "comment.featured",
    "comment.unfeatured",
    "comment.kept",  # a moderator has looked at it and changed nothing
    "case.opened",
    "appeal.decided",
]
EVENTS: tuple[Event, ...] = get_args(Event)
# What must not leave: a comment's text, what people write, and who they are.
NEVER = frozenset({"text", "author", "reporter", "details", "note", "notice", "name"})


SILENT = "silent"


@contextmanager
def silence(session: Session) -> Iterator[None]:
    """Meanwhile nobody is told what the session does: for what no comment system has asked to be moderated."""
    session.info[SILENT] = True
    try:
        yield
    finally:
        del session.info[SILENT]


def enqueue(session: Session, site_id: str, event: Event, body: dict[str, Any], comment: Comment | None = None) -> None:
    """Writes an event for each of the site's hooks that wants it, in the session's transaction.

    `body` holds ids and states, none of NEVER. With a `comment` it also says how that stands now, and receivers get
    the comment's events in the order of their transactions: the comment's row must be locked or changed by this one.
    Raises ValueError for an unknown event, and for a member that must not leave. While the session is in `silence`,
    nothing is written.
    """
    if event not in EVENTS:
        raise ValueError(f"event: expected one of {', '.join(EVENTS)}, found {event!r}")
    if found := NEVER.intersection(_members(body)):
        raise ValueError(f"body: {', '.join(sorted(found))} must not leave in a webhook")
    if session.info.get(SILENT):
        return
    if comment is not None:
        stands = {"id": comment.external_id, "state": comment.state, "featured": comment.featured}
        body = {"comment": stands | {"revision": comment.revision}} | body
    session.flush()  # the comment's row is locked before a number is taken, so that numbers rise in order
    hooks = session.scalars(select(Hook).where(Hook.site_id == site_id, Hook.disabled_at.is_(None)).order_by(Hook.id))
    for hook in hooks:
        if not hook.events or event in hook.events:
            session.add(Delivery(hook_id=hook.id, comment_id=comment.id if comment else None, event=event, body=body))


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner)
