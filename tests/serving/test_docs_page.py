"""The /docs page in a real browser, without a network."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.service import Server


def test_docs_shows_every_endpoint_and_tries_one(server: Server, chromium: Browser) -> None:
    with chromium.new_page() as page:
        foreign: list[str] = []
        page.on(
            "request",
            lambda request: None if request.url.startswith((server.url, "data:")) else foreign.append(request.url),
        )
        page.goto(f"{server.url}/docs")
        page.get_by_text("/v1/score").first.wait_for()
        for path in ("/v1/attributes", "/healthz", "/readyz"):
            assert page.get_by_text(path, exact=True).first.is_visible()
        page.locator("#operations-state-readyz_readyz_get").get_by_role("button").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.locator(".responses-table.live-responses-table .response-col_status", has_text="200").first.wait_for()
        assert foreign == []
