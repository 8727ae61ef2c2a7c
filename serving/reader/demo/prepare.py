"""Prepares the demo: a site, its hook, accounts to moderate with. A second time, everything is there already."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from serving import keys
from serving.moderation import hooks, moderators, policies, sites
from serving.moderation.moderators import ModeratorError
from serving.moderation.sites import SiteSettings
from serving.moderation.tables import Hook, Site
from serving.reader.demo.board import Board
from serving.reader.demo.client import Evenhand
from serving.reader.demo.newspaper import Newspaper
from serving.settings import Settings
from serving.store import Store

SITE = "demo"
NAME = "The Tidewick Courier"
POLICY = Path(__file__).parent / "policy.toml"
ACCOUNTS = ("demo", "demo-editor")  # two, because an appeal is for somebody else than who removed the comment
REDRESS = "Write to the readers’ editor of The Tidewick Courier, Quay Cross, Tidewick. This is a demonstration."


def prepare(settings: Settings) -> Newspaper:
    """The newspaper, and in the database all that it needs. Raises StoreError, BoardError."""
    store = Store(settings.database_url)
    board = Board.open(file_of(settings))
    store.open()
    try:
        with store.writing() as session:
            if session.get(Site, SITE) is None:
                sites.put(session, SITE, NAME, SiteSettings(redress=REDRESS), "command")
                policies.save(session, SITE, POLICY.read_text(encoding="utf-8"), actor="command", note="The first one.")
                policies.change(session, SITE, 1, "live", actor="command")
            secret = _hook(session, board, settings)
            for name in ACCOUNTS:
                _account(session, board, name, local=settings.mode == "local")
        key = page_key = None
        if settings.mode == "keys":
            key, page_key = _key(store, board, "comments"), _key(store, board, "reports")
    finally:
        store.close()
    board.save()
    url = f"{settings.public_url or settings.address}".rstrip("/")
    return Newspaper(board, Evenhand(settings.address, SITE, key), f"{url}/demo", secret, page_key)


def file_of(settings: Settings) -> Path:
    """The newspaper's own file: beside a SQLite database, else in the present folder."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        database = Path(url.database)
        return database.with_name(f"{database.stem}-demo.json")
    return Path("evenhand-demo.json")


def greeting(settings: Settings, newspaper: Newspaper) -> str:
    """Where to go, and what to log in with."""
    password = newspaper.board.secrets.get("password")
    known = f"password {password}" if password else "accounts of these names were there before: use their passwords"
    return (
        f"  {settings.address}/demo       an article with readers' comments: report one\n"
        f"  {settings.address}/console/   moderate: log in as {' or '.join(ACCOUNTS)}, {known}\n"
        f"  {settings.address}/docs       the API"
    )


def _hook(session: Session, board: Board, settings: Settings) -> str:
    """The secret of the site's hook, made or led to the present address."""
    address = f"{settings.address}/demo/hook"
    row = session.get(Hook, board.secrets.get("hook", ""))
    if row is None or row.disabled_at:
        row = hooks.add(session, SITE, address, [], settings.mode, "command")
        board.secrets["hook"] = row.id
    row.url = address
    return row.secret


def _account(session: Session, board: Board, name: str, *, local: bool) -> None:
    """An account to moderate with. In local mode, on one's own machine, for all sites; else for the demo's only."""
    try:
        moderators.find(session, name)
    except ModeratorError:
        role = "moderator" if name == ACCOUNTS[0] else "admin" if local else "editor"
        moderators.create(session, name, board.secret("password"), role, [] if local else [SITE])


def _key(store: Store, board: Board, scope: keys.Scope) -> str:
    name = f"key for {scope}"
    if not any(key.revoked_at is None and key.id == board.secrets.get(f"{name}, id") for key in keys.every(store)):
        key, board.secrets[name] = keys.create(store, f"demo {scope} {secrets.token_hex(2)}", [scope], 0)
        board.secrets[f"{name}, id"] = key.id
    return board.secrets[name]
