"""A server with accounts, a browser that is logged in, and what every page has to pass."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from serving.moderation import moderators
from serving.store import Store

expect.set_options(timeout=30_000)  # for busy machines
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FORM = "application/x-www-form-urlencoded"
PASSWORD = "correct horse battery"
NAMES = {"moderator": "mo", "editor": "edda", "admin": "ada"}


def make_accounts(store: Store, sites: Mapping[str, list[str]] | None = None) -> None:
    """An account of each role, called as NAMES says; `sites` by role, all if left out."""
    with store.writing() as session:
        for role, name in NAMES.items():
            moderators.create(session, name, PASSWORD, role, (sites or {}).get(role, []))


@contextmanager
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not installed: run the tests by `make test`, which installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


def logged_in(context: BrowserContext, url: str, role: str = "moderator", path: str = "/console/") -> Page:
    """A page of a new session, at `path`."""
    page = context.new_page()
    page.goto(f"{url}{path}")
    page.get_by_label("Name").fill(NAMES[role])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda address: "/login" not in address)
    return page


@dataclass
class Client:
    """A browser without a screen: keeps its cookie, sends forms as browsers do."""

    url: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        closing = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=self.url, follow_redirects=False, timeout=60, limits=closing)

    def carry(self, token: str) -> None:
        """Puts a token into the cookie, in place of what was there."""
        self.http.cookies.clear()
        self.http.cookies.set("evenhand", token, domain="127.0.0.1")

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def post(self, path: str, form: Mapping[str, Any], **headers: str) -> httpx.Response:
        return self.http.post(path, data=dict(form), headers={"Origin": self.url, "Content-Type": FORM} | headers)

    def log_in(self, role: str = "moderator", password: str = PASSWORD) -> httpx.Response:
        return self.post("/console/login", {"name": NAMES.get(role, role), "password": password})

    def token(self, path: str = "/console/preferences") -> str:
        """The token of the session's forms, as a page holds it."""
        return self.get(path).text.split('name="csrf" value="')[1].split('"')[0]


def check(page: Page) -> None:
    """Nothing bars people from the page, in light and dark, wide and narrow, and it is never scrolled sideways."""
    for scheme in ("light", "dark"):
        for width in (1280, 320):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            found = Axe().run(page)
            assert found.violations_count == 0, f"{page.url} {scheme} {width}\n{found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{page.url} is {wide} px wide on {width}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 720})
