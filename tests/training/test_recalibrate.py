from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from labels.sources.reader import RowError, SourceError
from serving.artifact import Artifact
from serving.scorer import Scorer
from training import logistic
from training.logistic import Line
from training.recalibrate import FEW, MANY, RecalibrationError, Refit, line, main, read, refit, write

OLD = Line(1.2, -0.5)
GENERATOR = np.random.default_rng(8)
REJECTED = ("You are a pathetic moron number {}.", "Shut up, you stupid clown, says reader {}.")
ACCEPTED = ("Bus number {} was late again today.", "I agree with point {} of the column.")


def site(rows: int, slope: float, intercept: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, hard labels and weights of a site whose true line is given."""
    logits = GENERATOR.normal(0, 2, rows)
    labels = (GENERATOR.random(rows) < Line(slope, intercept).predict(logits)).astype(np.float64)
    return logits, labels, np.ones(rows)


def file(folder: Path, few: int, many: int, **more: object) -> Path:
    """A site's decisions: `few` rejected and `many` accepted comments."""
    rows = [{"text": REJECTED[n % 2].format(n), "decision": "rejected"} | more for n in range(few)]
    rows += [{"text": ACCEPTED[n % 2].format(n), "decision": "accepted"} for n in range(many)]
    path = folder / "decisions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_few_decisions_move_the_intercept_to_the_sites_rate() -> None:
    logits, labels, weights = site(400, 1.2, -2.5)
    rare = np.flatnonzero(labels)[: MANY - 1]
    rows = np.concatenate([rare, np.flatnonzero(labels == 0)])
    found = line(logits[rows], labels[rows], weights[rows], OLD)
    assert found is not None
    new, how = found
    assert (how, new.slope) == ("intercept", OLD.slope)
    assert new.predict(logits[rows]).mean() == pytest.approx(labels[rows].mean(), abs=1e-4)


def test_many_decisions_fit_the_slope_too() -> None:
    logits, labels, weights = site(5000, 0.6, -1.0)
    found = line(logits, labels, weights, OLD)
    assert found is not None
    assert found[1] == "slope and intercept"
    assert (found[0].slope, found[0].intercept) == pytest.approx((0.6, -1.0), abs=0.12)


def test_too_few_decisions_change_nothing() -> None:
    labels = np.array([1.0] * (FEW - 1) + [0.0] * 500)
    assert line(np.zeros(len(labels)), labels, np.ones(len(labels)), OLD) is None


def test_decisions_against_the_scores_do_not_turn_them_round() -> None:
    logits, labels, weights = site(2000, 1.0, 0.0)
    found = line(-logits, labels, weights, OLD)
    assert found is not None
    assert found[0].slope == OLD.slope


def test_weights_stand_for_rows() -> None:
    logits, labels, _ = site(600, 1.0, 0.0)
    weights = np.where(labels > 0, 1.0, 5.0)
    repeated = np.repeat(np.arange(600), weights.astype(int))
    one = line(logits, labels, weights, OLD)
    other = line(logits[repeated], labels[repeated], np.ones(len(repeated)), OLD)
    assert one is not None
    assert other is not None
    assert (one[0].slope, one[0].intercept) == pytest.approx((other[0].slope, other[0].intercept), abs=1e-3)


def test_error_after_is_lower_and_of_rows_left_out() -> None:
    logits, labels, weights = site(3000, 1.2, -3.0)
    found = refit(logits, np.where(GENERATOR.random(3000) < 0.1, np.nan, labels), weights, OLD)
    assert found is not None
    assert found.rows < 3000
    assert found.after < found.before / 3


def test_shift_finds_the_constant() -> None:
    scores = GENERATOR.random(100)
    constant = logistic.shift(scores, np.full(100, 0.9))
    moved = 1 / (1 + np.exp(-(np.log(scores / (1 - scores)) + constant)))
    assert moved.mean() == pytest.approx(0.9, abs=1e-4)


def test_new_artifact_loads_and_scores_at_the_sites_rate(tmp_path: Path) -> None:
    decisions = file(tmp_path, 12, 40, insult=1)
    main(decisions, tmp_path / "ours")
    old, new = Artifact.load(), Artifact.load(tmp_path / "ours")
    assert re.fullmatch(re.escape(old.manifest.version) + r"\+recalibrated\.[0-9a-f]{8}", new.manifest.version)
    assert new.manifest.files == old.manifest.files
    changed = {a.name for a, b in zip(old.manifest.attributes, new.manifest.attributes, strict=True) if a != b}
    assert changed == {"report_worthy"}  # insult has no row without
    rows = read(decisions, ("report_worthy",))
    scores = [s["report_worthy"] for s in Scorer(new).score(rows.texts)]
    assert np.mean(scores) == pytest.approx(12 / 52, abs=0.01)


def test_versions_tell_recalibrations_apart(tmp_path: Path) -> None:
    artifact = Artifact.load()
    heads = [head.name for head in artifact.manifest.attributes]

    def version(original: Artifact, intercept: float, name: str) -> str:
        found = {heads[0]: Refit(Line(1.0, intercept), "intercept", 20, 10, 0.1, 0.1)}
        return write(original, found, tmp_path / name).manifest.version

    one, same, other = (version(artifact, intercept, f"a{n}") for n, intercept in enumerate((-1.0, -1.0, -2.0)))
    assert one == same
    again = version(Artifact.load(tmp_path / "a0"), -3.0, "again")
    assert len({one, other, again}) == 3
    assert again.count("+") == again.count("recalibrated") == 1


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecalibrationError, match="no attribute has 10 rows with it and 10 without"):
        main(file(tmp_path, 3, 40), tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
    (tmp_path / "ours").mkdir()
    with pytest.raises(RecalibrationError, match="exists: name a new directory"):
        main(file(tmp_path, 12, 40), tmp_path / "ours")
    with pytest.raises(RowError, match="row 1, column 'weight': expected a number above 0"):
        main(file(tmp_path, 12, 40, weight=0), tmp_path / "other")
    for name, rule in (("missing.jsonl", "there is no file"), ("decisions.txt", "expected one of")):
        with pytest.raises(SourceError, match=rule):
            main(tmp_path / name, tmp_path / "other")
