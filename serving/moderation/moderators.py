"""Accounts of those who moderate: a name, an argon2id hash of the password, a role, and sites.

A name is never given to another person again, so an account is disabled, not removed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import cache
from typing import get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from serving.moderation import audit
from serving.moderation.tables import Login, Moderator, Role, Site
from serving.store import now

ROLES: tuple[Role, ...] = get_args(Role)  # each may do what those before it may
NAME = re.compile(r"\w(?:[\w.@+-]{0,98}\w)?")
SHORTEST, LONGEST = 12, 1000  # characters of a password; no other rule, as NIST SP 800-63B advises
_hasher = PasswordHasher()  # RFC 9106, low memory: 64 MiB, three passes


class ModeratorError(ValueError):
    """An account cannot be found, made or changed. `field` is to blame; the message names it and the rule."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


def may(role: Role, needed: Role) -> bool:
    """Whether a role includes another."""
    return ROLES.index(role) >= ROLES.index(needed)


def normal(name: str) -> str:
    """A name as it is stored: composed, in lower case, without blanks around it."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def create(
    session: Session, name: str, password: str, role: str, sites: Sequence[str] = (), actor: str = "command"
) -> Moderator:
    """Makes an account; without `sites` it is for all of them. Raises ModeratorError."""
    name = normal(name)
    if not NAME.fullmatch(name):
        raise ModeratorError("name", "expected 1 to 100 letters, digits and . _ @ + -, none of these at its ends")
    if session.scalar(select(Moderator.id).where(Moderator.name == name)) is not None:
        raise ModeratorError("name", f"a moderator called {name!r} exists; disabled ones keep their name")
    row = Moderator(name=name, password_hash=_hash(password), role=_role(role), sites=_sites(session, sites))
    session.add(row)
    session.flush()
    audit.append(session, actor, "moderator.made", subject(row), details={"role": row.role, "sites": row.sites})
    return row


def every(session: Session) -> list[Moderator]:
    """All accounts by name, disabled ones too."""
    return list(session.scalars(select(Moderator).order_by(Moderator.name)))


def find(session: Session, name: str) -> Moderator:
    """An account by its name. Raises ModeratorError."""
    found = session.scalar(select(Moderator).where(Moderator.name == normal(name)))
    if found is None:
        raise ModeratorError("name", f"there is no moderator {name[:100]!r}; evenhand moderators list shows them")
    return found


def change(session: Session, row: Moderator, role: str, sites: Sequence[str], actor: str) -> None:
    """Gives another role and other sites, from the next click on. Raises ModeratorError."""
    role, chosen = _role(role), _sites(session, sites)
    _keep_an_admin(session, row, stays=role == "admin")
    row.role, row.sites = role, chosen
    audit.append(session, actor, "moderator.changed", subject(row), details={"role": role, "sites": chosen})


def disable(session: Session, row: Moderator, actor: str = "command") -> None:
    """Ends an account and its sessions at once. Raises ModeratorError for the last admin, unless by command."""
    if actor != "command":
        _keep_an_admin(session, row, stays=False)
    if row.disabled_at is None:
        row.disabled_at = now()
        audit.append(session, actor, "moderator.disabled", subject(row))
    log_out_everywhere(session, row)


def enable(session: Session, row: Moderator, actor: str = "command") -> None:
    """Takes back that an account was disabled; its password is as it was."""
    if row.disabled_at is not None:
        row.disabled_at = None
        audit.append(session, actor, "moderator.enabled", subject(row))


def set_password(session: Session, row: Moderator, password: str, actor: str = "command") -> None:
    """Gives another password and ends all sessions of the account. Raises ModeratorError."""
    row.password_hash = _hash(password)
    audit.append(session, actor, "moderator.password", subject(row))
    log_out_everywhere(session, row)


def log_out_everywhere(session: Session, row: Moderator) -> None:
    """Ends all sessions of an account."""
    session.execute(delete(Login).where(Login.moderator_id == row.id))


def verify(row: Moderator | None, password: str) -> bool:
    """Whether the password is right and the account may be used: the same work for any answer, some 50 ms, 64 MiB."""
    try:
        _hasher.verify(row.password_hash if row else _nobodys(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return row is not None and row.disabled_at is None


def sees(row: Moderator, site: str) -> bool:
    """Whether an account is for a site."""
    return not row.sites or site in row.sites


def subject(row: Moderator) -> str:
    """An account as the audit log calls it, as subject and as actor."""
    return f"moderator:{row.id}"


@cache
def _nobodys() -> str:
    """A hash to check in vain where there is no account, so that the time taken does not tell."""
    return _hasher.hash("nobody's")


def _hash(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise ModeratorError("password", f"expected {SHORTEST} to {LONGEST:,} characters")
    return _hasher.hash(password)


def _role(role: str) -> Role:
    for known in ROLES:
        if role == known:
            return known
    raise ModeratorError("role", f"expected one of {', '.join(ROLES)}, found {role[:32]!r}")


def _sites(session: Session, sites: Collection[str]) -> list[str]:
    chosen = sorted(set(sites))
    known = set(session.scalars(select(Site.id).where(Site.id.in_(chosen))))
    if unknown := [site for site in chosen if site not in known]:
        raise ModeratorError("site", f"there is no site {unknown[0][:64]!r}")
    return chosen


def _keep_an_admin(session: Session, row: Moderator, *, stays: bool) -> None:
    others = select(Moderator.id).where(
        Moderator.role == "admin", Moderator.disabled_at.is_(None), Moderator.id != row.id
    )
    if row.role == "admin" and not stays and session.scalar(others.limit(1)) is None:
        raise ModeratorError("role", "this is the last admin; make another one first")
