"""Logging in and out."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select, update

from serving.console.front import HOME, local
from serving.moderation import audit, logins, moderators
from serving.moderation.tables import AuditEntry, Login
from serving.store import Store, now
from tests import databases
from tests.service import running
from tests.serving.console.browsing import PASSWORD, Client, check, logged_in, make_accounts
from tests.serving.console.conftest import House


def test_a_session_begins_with_a_new_cookie_that_no_script_reads(house: House) -> None:
    client = house.client()
    client.carry("planted-by-someone-else")
    answer = client.log_in()
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"evenhand=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=lax", cookie)
    assert "planted" not in cookie
    assert client.get(HOME).status_code == 200
    fixed = house.client()
    fixed.carry("planted-by-someone-else")
    assert fixed.get(HOME).status_code == 303


def test_logging_in_again_ends_the_session_before(house: House) -> None:
    client = house.client("moderator")
    before = client.http.cookies["evenhand"]
    client.log_in()
    after = client.http.cookies["evenhand"]
    assert after != before
    old = house.client()
    old.carry(before)
    assert old.get(HOME).status_code == 303


def test_behind_https_the_cookie_is_the_hosts_own(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    with running(tmp_path / "log", database_url=url, public_url="https://talk.example") as server:
        store = Store(url)
        make_accounts(store)
        store.close()
        client = Client(server.url)
        answer = client.post("/console/login", {"name": "mo", "password": PASSWORD}, Origin="https://talk.example")
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"__Host-evenhand=\S+; HttpOnly; Max-Age=43200; Path=/; SameSite=lax; Secure", cookie)


def test_logging_out_ends_the_session_on_the_server(house: House) -> None:
    client = house.client("moderator")
    token = client.http.cookies["evenhand"]
    answer = client.post("/console/logout", {"csrf": client.token()})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    kept = house.client()
    kept.carry(token)
    assert kept.get(HOME).status_code == 303


@pytest.mark.parametrize(
    ("column", "age", "lasts"),
    [
        ("seen_at", logins.IDLE - timedelta(minutes=1), True),
        ("seen_at", logins.IDLE + timedelta(minutes=1), False),
        ("created_at", logins.LONGEST - timedelta(minutes=1), True),
        ("created_at", logins.LONGEST + timedelta(minutes=1), False),
    ],
)
def test_a_session_ends_by_itself(house: House, column: str, age: timedelta, lasts: bool) -> None:
    client = house.client("moderator")
    digest = logins.digest(client.http.cookies["evenhand"])
    with house.store.writing() as session:
        session.execute(update(Login).where(Login.sha256 == digest).values({column: now() - age}))
    assert (client.get(HOME).status_code == 200) == lasts
    if lasts and column == "seen_at":  # and it goes on from there
        with house.store.session() as session:
            row = session.get(Login, digest)
            assert row is not None
            assert now() - row.seen_at < timedelta(minutes=1)


def test_a_disabled_account_is_out_at_once(house: House) -> None:
    with house.store.writing() as session:
        row = moderators.create(session, "leaver", PASSWORD, "admin")
        token = logins.start(session, row)
    client = house.client()
    client.carry(token)
    assert client.get(HOME).status_code == 200
    with house.store.writing() as session:
        moderators.disable(session, moderators.find(session, "leaver"))
    assert client.get(HOME).status_code == 303
    assert client.log_in("leaver").status_code == 422


def test_whether_a_name_exists_is_not_told(house: House) -> None:
    client = house.client()
    with house.store.writing() as session:
        moderators.disable(session, moderators.create(session, "gone", PASSWORD, "moderator"))
    answers = {
        client.post("/console/login", {"name": name, "password": password}).text.replace(name, "NAME")
        for name, password in (("nobody", "x"), ("ada", "wrong password"), ("gone", PASSWORD))
    }
    assert len(answers) == 1
    assert "Name and password do not match" in answers.pop()


@pytest.mark.parametrize("name", ["mo.limit", "no-such-person"])
def test_attempts_are_limited_by_name(tmp_path: Path, name: str) -> None:
    url = databases.fresh(tmp_path)
    with running(tmp_path / "log", database_url=url) as server:
        store = Store(url)
        with store.writing() as session:
            moderators.create(session, "mo.limit", PASSWORD, "moderator")
        store.close()
        client = Client(server.url)
        codes = [client.log_in(name.upper() if n % 2 else name, f"guess {n}").status_code for n in range(10)]
        assert codes == [422] * 10
        answer = client.log_in(name)  # even with the right password
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 30 * 60
        assert "Too many attempts" in answer.text
        assert client.log_in("other", "x").status_code == 422
        log = (tmp_path / "log").read_text()
        assert "login refused" in log
        assert "guess" not in log


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/console/\\evil.example",
        "/console@evil.example",
        "/consoleevil",
        "javascript:alert(1)",
        "/console/\r\nSet-Cookie: a=b",
        "/v1/score",
        "",
    ],
)
def test_no_link_leads_out(house: House, target: str) -> None:
    assert local(target) == HOME
    answer = house.client().post("/console/login", {"name": "ada", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == HOME
    client = house.client("moderator")
    answer = client.http.get("/console/login", params={"next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)


def test_after_the_login_comes_what_was_asked_for(house: House, chromium: Browser) -> None:
    context = chromium.new_context()
    page = logged_in(context, house.url, path="/console/preferences?saved=1")
    assert page.url == f"{house.url}/console/preferences?saved=1"
    page.locator(".account summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/console/login")
    check(page)
    context.close()


def test_pages_run_no_script_but_ours_and_stand_in_no_frame(house: House) -> None:
    for path in ("/console/login", "/console/nothing", "/console/static/nothing"):
        headers = house.client().get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_errors_are_pages_and_those_of_the_api_are_not(house: House) -> None:
    client = house.client("moderator")
    answer = client.get("/console/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.headers["x-request-id"] in answer.text
    assert "Nothing is here" in answer.text
    assert client.get("/console/logout").status_code == 405
    assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    long = client.post("/console/preferences", {"csrf": client.token(), "note": "x" * 2**20})
    assert (long.status_code, "too much at once" in long.text) == (413, True)
    many = client.post("/console/preferences", {f"field{n}": "" for n in range(2001)})
    assert many.status_code == 413
    other = client.http.post("/console/preferences", json={"blur": True}, headers={"Origin": house.url})
    assert (other.status_code, "forms of its own pages" in other.text) == (400, True)


def test_static_files_are_kept_by_browsers(house: House) -> None:
    page = house.client().get("/console/login").text
    for path in re.findall(r'"(/console/static/[^"]+)"', page):
        answer = house.client().get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_logins_are_in_the_audit_log(house: House) -> None:
    house.client().log_in("editor")
    with house.store.session() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.number.desc()).limit(1)).one()
        assert last.action == "moderator.login"
        assert list(audit.verify(session)) == []
