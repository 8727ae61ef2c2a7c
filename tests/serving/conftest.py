"""One browser for all tests: Playwright runs one at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.serving.console.browsing import browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Chromium, running; a test opens a context of its own."""
    with browser() as found:
        yield found
