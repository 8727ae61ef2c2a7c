from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import func, select

from serving import artifact
from serving.engine import Engine, Limits
from serving.learning import models
from serving.learning.following import Follower
from serving.learning.models import ModelError
from serving.metrics import Metrics
from serving.moderation import audit
from serving.moderation.tables import AuditEntry, RevisionScores
from serving.scorer import Scorer
from serving.store import Store
from tests.coroutines import finish
from tests.service import running
from tests.serving.learning import desk


def copied(folder: Path, version: str, slope: float = 1.0) -> Path:
    """The shipped model under another version, its logits of report_worthy stretched."""
    path = folder / version
    shutil.copytree(artifact.DEFAULT, path)
    manifest = json.loads((path / artifact.MANIFEST).read_text())
    manifest["version"] = version
    for head in manifest["attributes"]:
        head["slope"] *= slope
    (path / artifact.MANIFEST).write_text(json.dumps(manifest))
    return path


def evenhand(store: Store, *arguments: str) -> subprocess.CompletedProcess[str]:
    url = store.engine.url.render_as_string(hide_password=False)
    return subprocess.run(
        [sys.executable, "-c", "from serving.cli import app; app()", *arguments],
        env=os.environ | {"EVENHAND_DATABASE_URL": url, "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_candidate_runs_in_shadow_is_promoted_and_rolled_back_under_a_running_service(
    store: Store, tmp_path: Path
) -> None:
    candidate = copied(tmp_path, "9.9", slope=0.5)
    shipped = models.called(artifact.Artifact.load().manifest)
    with store.writing() as session:
        for number in range(40):
            desk.comment(session, f"Comment {number}, you clown.")
        desk.comment(session, None)
    url = store.engine.url.render_as_string(hide_password=False)
    with running(tmp_path / "log", database_url=url) as server:

        def answers() -> str:
            body = {"comments": [{"id": "1", "text": "Well."}]}
            return str(httpx.post(f"{server.url}/v1/score", json=body).json()["model"]["version"])

        before = answers()
        assert "9.9 is in the shadow" in evenhand(store, "model", "shadow", str(candidate)).stdout

        def scored() -> int:
            with store.session() as session:
                return session.scalar(select(func.count()).select_from(RevisionScores)) or 0

        until(lambda: scored() == 40)
        with store.session() as session:
            rows = session.scalars(select(RevisionScores)).all()
            assert all(row.shadow and row.model.endswith(" 9.9") for row in rows)
            (mine,) = Scorer(artifact.Artifact.load(candidate)).score(["Comment 0, you clown."])
            assert rows[-1].scores == pytest.approx(dict(mine)) or rows[0].scores == pytest.approx(dict(mine))
        with store.writing() as session:
            desk.comment(session, "One that comes later.")
        until(lambda: scored() == 41)
        assert answers() == before  # a shadow decides nothing

        assert evenhand(store, "model", "promote").stdout.endswith("9.9 is live\n")
        until(lambda: answers() == "9.9")
        listed = evenhand(store, "model", "list").stdout
        assert re.search(r"9\.9\s+live", listed)
        back = evenhand(store, "model", "rollback")
        assert shipped in back.stdout
        until(lambda: answers() == before)
    with store.session() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.number)).all()
        assert actions == ["model.shadowed", "model.promoted", "model.rolled_back"]
        assert list(audit.verify(session)) == []


def test_a_service_starts_with_the_promoted_model_and_without_it_if_its_files_are_gone(
    store: Store, tmp_path: Path
) -> None:
    path = copied(tmp_path, "9.9")
    with store.writing() as session:
        models.shadow(session, path, "other", "command")
        models.promote(session, "command")
    url = store.engine.url.render_as_string(hide_password=False)
    with running(tmp_path / "log", database_url=url) as server:
        assert 'version="9.9"' in httpx.get(f"{server.url}/metrics").text
    shutil.rmtree(path)
    with running(tmp_path / "log2", database_url=url) as server:
        assert 'version="9.9"' not in httpx.get(f"{server.url}/metrics").text
        assert "promoted model is refused" in server.log.read_text()


def test_what_is_imported_is_scored_by_the_model_that_answers(store: Store, tmp_path: Path) -> None:
    with store.writing() as session:
        models.shadow(session, copied(tmp_path, "9.9"), "other", "command")
        models.promote(session, "command")
    (tmp_path / "page.txt").write_text("The bus was late again.\n")
    done = evenhand(store, "import", str(tmp_path / "page.txt"), "--site", "gazette", "--name", "The Gazette")
    assert done.returncode == 0, done.stderr
    with store.session() as session:
        [scores] = session.scalars(select(RevisionScores))
        assert scores.model.endswith(" 9.9")


def test_commands_fall_back_like_the_service_if_the_promoted_models_files_are_gone(
    store: Store, tmp_path: Path
) -> None:
    path = copied(tmp_path, "9.9")
    with store.writing() as session:
        models.shadow(session, path, "other", "command")
        models.promote(session, "command")
    shutil.rmtree(path)
    shipped = models.called(artifact.Artifact.load().manifest)
    (tmp_path / "page.txt").write_text("The bus was late again.\n")
    listed = evenhand(store, "model", "list")
    done = evenhand(store, "import", str(tmp_path / "page.txt"), "--site", "gazette", "--name", "The Gazette")
    for run in (listed, done):
        assert run.returncode == 0
        assert f"the promoted model is refused, that of the settings answers: no model in {path}" in run.stderr
    assert re.search(rf"9\.9 +live .*{path} \(missing\)", listed.stdout)
    assert re.search(rf"{re.escape(shipped)} +answers", listed.stdout)
    with store.session() as session:
        [scores] = session.scalars(select(RevisionScores))
        assert scores.model == shipped


def test_what_cannot_be_put_to_use_is_refused_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    shipped = models.called(artifact.Artifact.load().manifest)
    for arguments, complaint in (
        (["model", "promote"], "no model is in shadow"),
        (["model", "rollback"], "no model was promoted"),
        (["model", "compare"], "no model is in shadow"),
        (["model", "shadow", str(tmp_path)], "no model in"),
        (["model", "shadow", str(artifact.DEFAULT)], shipped),
        (["model", "shadow"], "expected either"),
    ):
        run = evenhand(store, *arguments)
        assert run.returncode == 2 and complaint in run.stderr, run
    path = copied(tmp_path, "9.9")
    with store.writing() as session:
        models.shadow(session, path, "other", "command")
    (path / artifact.MANIFEST).write_text((path / artifact.MANIFEST).read_text() + "\n")
    with pytest.raises(ModelError, match="has changed"), store.writing() as session:
        models.promote(session, "command")
    with store.session() as session:
        assert models.live(session) is None and models.candidate(session) is not None


def test_promotions_are_undone_one_by_one(store: Store, tmp_path: Path) -> None:
    first, second = copied(tmp_path, "8"), copied(tmp_path, "9")
    with store.writing() as session:
        for path in (first, second):
            models.shadow(session, path, "other", "command")
            models.promote(session, "command")
    with store.writing() as session:
        found = models.rollback(session, "command")
        assert found is not None and found.path == str(first)
        assert models.rollback(session, "command") is None
        with pytest.raises(ModelError):
            models.rollback(session, "command")


def test_a_candidate_that_fails_is_left_alone_and_promotions_are_followed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.writing() as session:
        desk.comment(session, "Comment, you clown.")
        models.shadow(session, copied(tmp_path, "9.9"), "other", "command")
    engine = Engine(artifact.DEFAULT, Metrics(), Limits(), 1, 1)
    follower = Follower(store, engine, None)
    asked: list[object] = []

    def broken(scorer: Scorer, texts: object) -> object:
        asked.append(texts)
        raise RuntimeError("the runtime's own")

    monkeypatch.setattr(Scorer, "score", broken)
    finish(follower._follow())
    assert not follower._score() and not follower._score()
    assert len(asked) == 1
    with store.writing() as session:
        models.withdraw(session, "command")
        models.shadow(session, copied(tmp_path, "10"), "other", "command")
    finish(follower._follow())
    assert not follower._score()
    assert len(asked) == 2  # another candidate is tried again
