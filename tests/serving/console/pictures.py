"""The pictures of the guides, taken of a running service with newsroom.toml's content:

python -m tests.serving.console.pictures docs/images
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page
from sqlalchemy import select

from serving.moderation import appeals
from serving.moderation.tables import Comment, Decision
from serving.scorer import Scorer
from serving.store import Store
from tests import databases
from tests.service import running
from tests.serving.console.browsing import browser, logged_in, make_accounts
from tests.serving.console.newsroom import fill

COLOURS = 96  # of a picture: enough for flat colours and the edges of letters
LARGEST = 150_000  # bytes
PAGES = {
    "batch": "batch?from=0.1&to=0.6",
    "good": "good",
    "teach": "teach",
    "appeals": "appeals",
    "policy": "policy",
    "insights": "insights",
    "people": "people",
    "audit": "audit",
}


def keep(page: Page, path: Path) -> None:
    """Writes what the window shows."""
    picture = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than {LARGEST:,}")


def complain(store: Store) -> None:
    """Files the appeal of somebody whose comment was removed."""
    with store.writing() as session:
        removed = session.scalars(select(Decision).where(Decision.action == "remove").order_by(Decision.at)).first()
        assert removed
        comment = session.get_one(Comment, removed.comment_id)
        author = comment.author.external_id if comment.author else ""
        words = "I was angry, and I named nobody. Others said worse and stayed. Please look again."
        appeals.file(session, removed, author or "", words, "command")


def take(folder: Path) -> None:
    """Writes queue.png, case.png, remove.png, case-narrow-dark.png, and one of each page of PAGES."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, browser() as chromium:
        url = databases.fresh(Path(scratch))
        with running(Path(scratch) / "log", database_url=url) as server:
            store = Store(url)
            make_accounts(store)
            fill(store, Scorer.load())
            complain(store)
            store.close()
            page = logged_in(chromium.new_context(viewport={"width": 1280, "height": 800}), server.url)
            page.mouse.move(0, 0)
            keep(page, folder / "queue.png")
            page.keyboard.press("s")
            page.wait_for_url("**/console/cases/**")
            keep(page, folder / "case.png")
            page.keyboard.press("r")
            page.locator(".choices .sheet").wait_for()
            keep(page, folder / "remove.png")
            page.reload()
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size({"width": 390, "height": 780})
            keep(page, folder / "case-narrow-dark.png")
            page = logged_in(chromium.new_context(viewport={"width": 1280, "height": 800}), server.url, "admin")
            page.mouse.move(0, 0)
            for name, path in PAGES.items():
                page.goto(f"{server.url}/console/{path}")
                keep(page, folder / f"{name}.png")


if __name__ == "__main__":
    take(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
