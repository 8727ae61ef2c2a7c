"""The operator's commands, as an operator runs them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import text

from serving.moderation.tables import Delivery, Hook, Revision
from serving.store import ApiKey, Store, now
from tests import databases
from tests.serving.moderation.test_decisions import decided
from tests.serving.moderation.test_transparency import around
from tests.serving.moderation.world import World


def run(store: Store, *arguments: str, code: int = 0, **more: str) -> str:
    """What `evenhand …` on the store's database prints; what it complains of if it fails."""
    url = store.engine.url.render_as_string(hide_password=False)
    environment = os.environ | {"EVENHAND_DATABASE_URL": url, "COLUMNS": "200", "NO_COLOR": "1"} | more
    command = [sys.executable, "-c", "from serving.cli import app; app()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def test_sites(store: Store) -> None:
    assert "daily" in run(store, "sites", "create", "daily", "The Daily", "--set", "undo_seconds=60")
    assert "undo_seconds=60" in run(store, "sites", "list")
    assert "undo_seconds" in run(store, "sites", "create", "daily", "The Daily", "--set", "undo_seconds=-1", code=2)
    for setting in ("retention_days=true", "appeal_days=false"):
        said = run(store, "sites", "create", "daily", "The Daily", "--set", setting, code=2)
        assert f"{setting.split('=')[0]}: Input should be a valid integer" in said
    assert "undo_seconds=60" in run(store, "sites", "list")
    assert "expected 1 to 64" in run(store, "sites", "create", "The Daily", "x", code=2)


def test_hooks(store: Store) -> None:
    world = World.made(store)
    secret = run(store, "hooks", "add", "daily", "http://127.0.0.1:1/", "--event", "comment.removed").strip()
    with store.session() as session:
        hook = session.query(Hook).one()
        assert hook.secret == secret
        assert hook.events == ["comment.removed"]
    shown = run(store, "hooks", "list")
    assert hook.id in shown
    assert secret not in shown
    decided(world, world.case(), "remove")
    with store.writing() as session:
        session.query(Delivery).update({"dead_at": now(), "problem": "status 500"})
    shown = run(store, "hooks", "dead", hook.id)
    assert "status 500" in shown and "comment.removed" in shown
    assert "1 to be sent again" in run(store, "hooks", "replay", hook.id)
    run(store, "hooks", "remove", hook.id)
    assert hook.id not in run(store, "hooks", "list")
    assert "hook: there is none" in run(store, "hooks", "replay", hook.id, code=2)
    refused = run(store, "hooks", "add", "daily", "http://news.example/", code=2, EVENHAND_MODE="keys")
    assert "url: expected https://" in refused
    assert run(store, "hooks", "add", "daily", "http://news.example/").startswith("whsec_")


def test_who_was_given_a_key_is_in_the_audit_log(store: Store) -> None:
    run(store, "keys", "create", "the comment system", "--scope", "comments", "--scope", "moderate")
    with store.session() as session:
        key = session.query(ApiKey).one()
    for _ in range(2):
        run(store, "keys", "revoke", key.id)
    assert "exists" in run(store, "keys", "create", "the comment system", code=2)
    entries = [json.loads(line) for line in run(store, "audit", "show").splitlines()]
    assert [(one["actor"], one["action"], one["subject"], one["details"]) for one in entries] == [
        ("command", "key.made", f"key:{key.id}", {"scopes": ["comments", "moderate"]}),
        ("command", "key.revoked", f"key:{key.id}", {}),
    ]
    assert "2 entries as they were written" in run(store, "audit", "verify")


def test_a_keys_limit_is_what_the_database_can_hold(store: Store) -> None:
    for number in ("9" * 23, str(2**31), "-1"):
        said = run(store, "keys", "create", "x", "--per-minute", number, code=2)
        assert said == "evenhand: per-minute: expected 0 (no limit) to 2147483647\n"
    run(store, "keys", "create", "x", "--per-minute", str(2**31 - 1))
    with store.session() as session:
        assert session.query(ApiKey).one().per_minute == 2**31 - 1


def test_the_audit_log(store: Store) -> None:
    world = World.made(store)
    made = decided(world, world.case(), "remove")
    said = run(store, "audit", "verify")
    assert "2 entries as they were written; head " in said
    head = said.split()[-1]
    decided(world, world.case(), "keep")
    assert "3 entries as they were written" in run(store, "audit", "verify", "--head", head)
    assert "cut off" in run(store, "audit", "verify", "--head", "0" * 64, code=1)
    entries = [json.loads(line) for line in run(store, "audit", "show", "--site", "daily").splitlines()]
    assert [entry["action"] for entry in entries] == ["site.made", "decision.made", "decision.made"]
    assert entries[1]["hash"] == head
    assert entries[1]["subject"] == f"decision:{made}"
    assert len(run(store, "audit", "show", "--last", "1").splitlines()) == 1
    with store.writing() as session:
        if databases.kind == "postgresql":
            session.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            session.execute(text("DROP TRIGGER audit_no_update"))
        session.execute(text("UPDATE audit SET actor = 'nobody' WHERE number = 1"))
    assert "entry 1 is not as it was written" in run(store, "audit", "verify", code=1)


def test_privacy(store: Store) -> None:
    world = World.made(store, retention_days=1)
    world.comment("c", author="zoe-1f2e")
    world.comment("old")
    found = json.loads(run(store, "privacy", "export", "daily", "--author", "zoe-1f2e"))
    assert found[0]["comments"][0]["id"] == "c"
    said = run(store, "privacy", "erase", "daily", "--author", "zoe-1f2e", "--reporter", "zoe-1f2e")
    assert said.splitlines()[0] == "author: 1 erased, with 1 texts, 0 reports' details and 0 appeals"
    assert said.splitlines()[1].startswith("reporter: nobody erased")
    assert b"zoe-1f2e" not in databases.content(store.engine.url.render_as_string(hide_password=False))
    assert "nothing is held" in run(store, "privacy", "export", "daily", "--author", "zoe-1f2e", code=1)
    assert "name somebody" in run(store, "privacy", "erase", "daily", code=2)
    with store.writing() as session:
        session.query(Revision).update({"created_at": now() - timedelta(days=2)})
    assert run(store, "privacy", "retain") == "daily: texts of 1 comments forgotten\n"


def test_transparency(store: Store) -> None:
    world = World.made(store)
    decided(world, world.case(), "remove")
    first, last = around()
    period = ("--from", first.isoformat(), "--to", last.isoformat())
    rows = list(csv.DictReader(io.StringIO(run(store, "transparency", "daily", *period))))
    assert {"site": "daily", "what": "decisions", "reason": "abusive", "value": "1"}.items() <= rows[2].items()
    found = json.loads(run(store, "transparency", "daily", *period, "--format", "json"))
    assert found["decisions"] == [{"action": "remove", "reason": "abusive", "automated": False, "count": 1}]
    assert "there is no site" in run(store, "transparency", "weekly", *period, code=2)


@pytest.mark.parametrize("command", ["sites", "hooks", "audit", "privacy"])
def test_help_is_there(store: Store, command: str) -> None:
    assert "Usage" in run(store, command, "--help")
