"""What moderators choose for themselves."""

from __future__ import annotations

from playwright.sync_api import Browser

from serving.moderation import moderators
from tests.serving.console.browsing import PASSWORD, check
from tests.serving.console.conftest import House


def test_preferences_are_kept(house: House, chromium: Browser) -> None:
    with house.store.writing() as session:
        moderators.create(session, "chooser", PASSWORD, "moderator")
    page = house.page(chromium, "chooser", "/console/preferences")
    check(page)
    assert page.locator("body[data-keys]").count() == 1
    page.get_by_label("One key each").uncheck()
    page.get_by_label("dark").check()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("status").wait_for()
    assert page.locator("body[data-keys]").count() == 0
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert not page.get_by_label("One key each").is_checked()
    assert page.get_by_label("Blur").is_checked()
    with house.store.session() as session:
        row = moderators.find(session, "chooser")
        assert row.preferences == {"blur": True, "keys": False, "theme": "dark"}
    page.context.close()


def test_a_moderator_changes_the_password(house: House) -> None:
    with house.store.writing() as session:
        moderators.create(session, "forgetful", PASSWORD, "moderator")
    client = house.client()
    client.log_in("forgetful")
    path, new = "/console/preferences/password", "another long password"

    def change(old: str, chosen: str, again: str) -> str:
        return client.post(path, {"csrf": client.token(), "old": old, "new": chosen, "again": again}).text

    assert "old password is not right" in change("wrong", new, new)
    assert "not the same twice" in change(PASSWORD, new, new + "x")
    assert "expected 12 to 1,000 characters" in change(PASSWORD, "short", "short")
    answer = client.post(path, {"csrf": client.token(), "old": PASSWORD, "new": new, "again": new})
    assert answer.headers["location"] == "/console/login"
    assert client.get("/console/preferences").status_code == 303  # logged out
    assert client.log_in("forgetful").status_code == 422
    assert client.log_in("forgetful", new).status_code == 303
