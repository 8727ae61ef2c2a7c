"""The pictures of the reader's side, taken of the demo:

python -m tests.serving.reader.pictures docs/images
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx2 as httpx
from playwright.sync_api import Page, ViewportSize

from tests.service import running
from tests.serving.console.browsing import browser
from tests.serving.console.pictures import keep

QUESTION = "Unsuitable or offensive? Report this comment"
WIDE, NARROW = ViewportSize(width=1100, height=760), ViewportSize(width=390, height=780)


def dialog(page: Page, comment: str) -> None:
    """Opens the dialog of a comment and fills it in."""
    link = page.locator(f"#{comment} > article").get_by_role("button", name=QUESTION)
    link.scroll_into_view_if_needed()
    page.mouse.wheel(0, 250)
    link.click()
    page.get_by_label("It insults or harasses someone").check()
    page.get_by_label("Anything a moderator should know?").fill("He does this to Derek every day.")


def take(folder: Path) -> None:
    """Writes article.png, report.png, report-narrow-dark.png, nudge.png and appeal.png."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        browser() as chromium,
        running(Path(scratch) / "log", "--demo") as server,
    ):
        page = chromium.new_context(viewport=WIDE).new_page()
        page.goto(f"{server.url}/demo")
        page.get_by_role("button", name=QUESTION).last.wait_for()
        keep(page, folder / "article.png")
        dialog(page, "c04")
        keep(page, folder / "report.png")
        page.get_by_role("button", name="Send report").click()
        page.get_by_text("Thank you. A moderator").wait_for()

        narrow = chromium.new_context(viewport=NARROW, color_scheme="dark").new_page()
        narrow.goto(f"{server.url}/demo")
        dialog(narrow, "c04")
        keep(narrow, folder / "report-narrow-dark.png")

        page.goto(f"{server.url}/demo")
        page.get_by_label("Your comment, as").fill("Only an idiot could write this.")
        page.get_by_role("button", name="Post comment").click()
        page.get_by_role("alert").scroll_into_view_if_needed()
        page.mouse.wheel(0, 1000)
        page.wait_for_timeout(500)
        keep(page, folder / "nudge.png")

        removal = {"verdict": "remove", "reason": "abusive", "moderator": "demo"}
        httpx.post(f"{server.url}/v1/sites/demo/comments/c04/decision", json=removal).raise_for_status()
        page.goto(f"{server.url}/demo")
        page.get_by_label("You are reading as").select_option("bluntspeaker")
        page.get_by_role("button", name="Change").click()
        page.locator("#c04 summary").click(timeout=60_000)
        page.locator("#c04 textarea").fill("Derek and I have been friends for forty years.")
        page.locator("#c03").scroll_into_view_if_needed()
        keep(page, folder / "appeal.png")


if __name__ == "__main__":
    take(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
