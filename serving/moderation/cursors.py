"""Cursors of lists that are read by time: a page goes on where the one before ended, whatever was added since."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from serving.moderation.problems import invalid

T = TypeVar("T")
MOST = 200  # rows of one page


def page(
    session: Session,
    query: Select[T],
    at: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    key: InstrumentedAttribute[str],
    cursor: str | None,
    limit: int,
    *,
    oldest_first: bool = False,
) -> tuple[Sequence[T], str | None]:
    """At most `limit` rows (1 to MOST) by time, newest first or oldest first, then id; and the cursor of the next page,
    or None. The time of each must be there.

    Raises ModerationError for a cursor that no page gave.
    """
    if cursor is not None:
        moment, last = _read(cursor)
        beyond = at > moment if oldest_first else at < moment
        query = query.where(or_(beyond, and_(at == moment, key > last)))
    rows = session.scalars(query.order_by(at if oldest_first else at.desc(), key).limit(limit + 1)).all()
    if len(rows) <= limit:
        return rows, None
    end = rows[limit - 1]
    return rows[:limit], _written(getattr(end, at.key), getattr(end, key.key))


def _written(moment: datetime, key: str) -> str:
    content: list[Any] = [moment.astimezone(UTC).isoformat(), key]
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, str]:
    try:
        moment, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(key, str) or not key.isalnum():
            raise ValueError
        return datetime.fromisoformat(moment).astimezone(UTC), key
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise invalid("cursor", "expected one that a page gave") from None
