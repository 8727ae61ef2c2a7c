"""Prepares the demo: a site, its hook, accounts to moderate with. A second time, everything is there already."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url

from serving.reader.demo.board import Board
from serving.reader.demo.client import Evenhand
from serving.reader.demo.newspaper import Newspaper
from serving.settings import Settings
from serving.store import Store

SITE = "demo"
NAME = "The Tidewick Courier"


def file_of(settings: Settings) -> Path:
    """The newspaper's own file: beside a SQLite database, else in the present folder."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        database = Path(url.database)
        return database.with_name(f"{database.stem}-demo.json")
    return Path("evenhand-demo.json")
