"""Accounts, and the commands for them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy import func, select

from serving.moderation import audit, logins, moderators, sites
from serving.moderation.moderators import ModeratorError
from serving.moderation.tables import AuditEntry, Login, Moderator
from serving.store import Store

PASSWORD = "correct horse battery"


@pytest.fixture
def rows(store: Store) -> Store:
    """A store with a site and an admin."""
    with store.writing() as session:
        sites.put(session, "daily", "The Daily Example", None, "command")
        moderators.create(session, "ada", PASSWORD, "admin")
    return store


def test_a_name_is_one_however_it_is_written(rows: Store) -> None:
    with rows.writing() as session:
        made = moderators.create(session, "  Zoë ", PASSWORD, "moderator", ["daily"])
        assert (made.name, made.role, made.sites) == ("zoë", "moderator", ["daily"])
        assert moderators.find(session, "ZOE\u0308").id == made.id
        with pytest.raises(ModeratorError, match="exists"):
            moderators.create(session, "ZOË", PASSWORD, "moderator")


@pytest.mark.parametrize(
    ("name", "password", "role", "site", "field"),
    [
        ("", PASSWORD, "moderator", "daily", "name"),
        ("two words", PASSWORD, "moderator", "daily", "name"),
        ("<b>", PASSWORD, "moderator", "daily", "name"),
        ("x" * 101, PASSWORD, "moderator", "daily", "name"),
        ("eve", "short", "moderator", "daily", "password"),
        ("eve", "x" * 1001, "moderator", "daily", "password"),
        ("eve", PASSWORD, "owner", "daily", "role"),
        ("eve", PASSWORD, "moderator", "weekly", "site"),
    ],
)
def test_what_cannot_be_an_account(rows: Store, name: str, password: str, role: str, site: str, field: str) -> None:
    with rows.writing() as session, pytest.raises(ModeratorError) as error:
        moderators.create(session, name, password, role, [site])
    assert error.value.field == field
    assert str(error.value).startswith(f"{field}: ")


def test_a_password_is_kept_as_argon2id_and_checked(rows: Store) -> None:
    with rows.writing() as session:
        ada = moderators.find(session, "ada")
        assert ada.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert moderators.verify(ada, PASSWORD)
        assert not moderators.verify(ada, PASSWORD.upper())
        assert not moderators.verify(None, PASSWORD)
        moderators.create(session, "eve", PASSWORD, "moderator")
        moderators.disable(session, moderators.find(session, "eve"))
        assert not moderators.verify(moderators.find(session, "eve"), PASSWORD)
        moderators.enable(session, moderators.find(session, "eve"))
        assert moderators.verify(moderators.find(session, "eve"), PASSWORD)


def test_sessions_end_with_the_account_or_its_password(rows: Store) -> None:
    with rows.writing() as session:
        eve = moderators.create(session, "eve", PASSWORD, "moderator")
        kept = logins.start(session, moderators.find(session, "ada"))
        first = logins.start(session, eve)
        moderators.set_password(session, eve, "another long password")
        assert logins.find(session, first) is None
        second = logins.start(session, eve)
        found = logins.find(session, second)
        assert found is not None
        assert found.moderator.id == eve.id
        moderators.disable(session, eve)
        assert logins.find(session, second) is None
        assert logins.find(session, kept) is not None
        assert session.scalar(select(func.count()).select_from(Login)) == 1
        for none in (None, "", "x", "\ud800"):
            assert logins.find(session, none) is None


def test_the_last_admin_stays(rows: Store) -> None:
    with rows.writing() as session:
        ada = moderators.find(session, "ada")
        with pytest.raises(ModeratorError, match="last admin"):
            moderators.change(session, ada, "editor", [], "moderator:1")
        with pytest.raises(ModeratorError, match="last admin"):
            moderators.disable(session, ada, "moderator:1")
        moderators.create(session, "bob", PASSWORD, "admin")
        moderators.change(session, ada, "editor", ["daily"], "moderator:2")
        assert (ada.role, ada.sites) == ("editor", ["daily"])
        moderators.disable(session, moderators.find(session, "bob"))  # who has the machine may
        assert list(audit.verify(session)) == []


def test_the_commands_ask_for_the_password_and_never_show_it(rows: Store) -> None:
    url = rows.engine.url.render_as_string(hide_password=False)

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from serving.cli import app; app()", "moderators", *arguments]
        environment = os.environ | {"EVENHAND_DATABASE_URL": url, "COLUMNS": "120"}
        return subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=False)

    made = run("create", "Carol", "--role", "editor", "--site", "daily", given=f"{PASSWORD}\n")
    assert (made.returncode, made.stdout) == (0, "carol may log in as editor at /console/\n")
    refused = run("create", "dan", given="short\n")
    assert (refused.returncode, refused.stderr) == (2, "evenhand: password: expected 12 to 1,000 characters\n")
    listed = run("list").stdout
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
        ["ada", "admin", "all"],
        ["carol", "editor", "daily"],
    ]
    assert run("password", "carol", given="another long password\n").returncode == 0
    assert run("disable", "carol").stdout == "carol can no longer log in\n"
    unknown = run("disable", "nobody")
    assert (unknown.returncode, "there is no moderator 'nobody'" in unknown.stderr) == (2, True)
    with rows.session() as session:
        carol = session.scalars(select(Moderator).where(Moderator.name == "carol")).one()
        assert carol.disabled_at is not None
        actions = session.scalars(select(AuditEntry.action).where(AuditEntry.subject == f"moderator:{carol.id}")).all()
        assert actions == ["moderator.made", "moderator.password", "moderator.disabled"]
        content = [str(entry.details) for entry in session.scalars(select(AuditEntry))]
        assert not any(PASSWORD in each or "argon2" in each for each in content)
