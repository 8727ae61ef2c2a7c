from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from serving.learning import agreement, models
from serving.moderation.tables import Model
from serving.store import Store, now
from tests.serving.learning import desk
from tests.serving.learning.test_models import copied, evenhand

BARS = [{"what": "Toxicity", "rows": 5000, "result": {"value": 0.945, "low": 0.936, "high": 0.954}}]


def decide(store: Store, live: list[float], candidate: list[float], removed: list[bool]) -> None:
    with store.writing() as session:
        for mine, theirs, gone in zip(live, candidate, removed, strict=True):
            scores = {"old 1": {"report_worthy": mine}, "new 2": {"report_worthy": theirs}}
            comment = desk.comment(session, "Text.", scores)
            desk.decision(session, comment, "remove" if gone else "keep", "abusive" if gone else None)


def test_the_better_model_is_told_apart(store: Store) -> None:
    removed = [number % 3 == 0 for number in range(90)]
    decide(store, [0.5 + (n % 7) / 100 for n in range(90)], [0.8 if r else 0.2 for r in removed], removed)
    with store.session() as session:
        found = agreement.compare(session, "old 1", "new 2", now() - timedelta(days=1), "demo")
        assert agreement.compare(session, "old 1", "new 2", now() + timedelta(days=1)).decisions == 0
        assert agreement.compare(session, "old 1", "unheard of", now() - timedelta(days=1)).decisions == 0
    assert (found.decisions, found.removed, found.enough) == (90, 30, True)
    live, candidate, gain = found.auc
    assert candidate.value == 1.0 and 0.3 < live.value < 0.7
    assert gain.value == pytest.approx(candidate.value - live.value) and 0 < gain.low < gain.high
    assert found.log_loss[2].high < 0


def test_equal_models_are_not(store: Store) -> None:
    removed = [number % 2 == 0 for number in range(40)]
    scores = [(number * 7 % 40) / 40 for number in range(40)]
    decide(store, scores, scores, removed)
    with store.session() as session:
        found = agreement.compare(session, "old 1", "new 2", now() - timedelta(days=1))
    assert (found.auc[2].low, found.auc[2].value, found.auc[2].high) == (0, 0, 0)


def test_the_command_says_what_it_knows_and_what_is_too_little(store: Store, tmp_path: Path) -> None:
    path = copied(tmp_path, "2")
    with store.writing() as session:
        session.add(Model(path=str(path), name="new 2", sha256="0" * 64, state="shadow"))
    files = [tmp_path / name for name in ("live.json", "candidate.json")]
    for file in files:
        file.write_text(json.dumps({"bars": BARS}))
    told = evenhand(store, "model", "compare", "--evaluation", *map(str, files)).stdout
    assert "Too few to compare" in told
    assert "Toxicity (5,000 rows)" in told and "0.945 (0.936 to 0.954)" in told
    files[0].write_text("[]")
    refused = evenhand(store, "model", "compare", "--evaluation", *map(str, files))
    assert refused.returncode == 2 and "live.json: not an evaluation" in refused.stderr


def test_names_of_models_are_those_of_scores() -> None:
    from serving.artifact import Artifact

    manifest = Artifact.load().manifest
    assert models.called(manifest) == f"{manifest.name} {manifest.version}"
