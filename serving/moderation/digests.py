"""Digests of texts: they tell a changed text from a repeated one, and nobody without the database can try texts."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy.orm import Session

from serving.moderation.rows import ensure
from serving.moderation.tables import Secret

NAME = "digests"


def key_of(session: Session) -> bytes | None:
    """The key of this database's digests; None if none was made yet, so that no digest exists."""
    found = session.get(Secret, NAME)
    return found.value if found else None


def made_key(session: Session) -> bytes:
    """The same, made now if there is none. The session must be a writing one."""
    return key_of(session) or ensure(session, Secret, {"name": NAME}, value=secrets.token_bytes(32))[0].value


def digest(key: bytes, text: str) -> bytes:
    """HMAC-SHA256 of a text."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
