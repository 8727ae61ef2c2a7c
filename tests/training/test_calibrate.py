from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from serving.artifact import MODEL, TOKENIZER, Artifact, ArtifactError, Head, Manifest, sha256, write_manifest
from training.calibrate import Fit, check, compare, fits, install
from training.corpus import Corpus
from training.export import ExportError
from training.logistic import Line
from training.recipe import Export

LIMITS = Export(name="small", version="0", licence="none", auc_tolerance=0.01, score_tolerance=0.05)
GOOD = {"auc": 0.9, "auc_loss": 0.01, "score_change": 0.05}


def artifact(folder: Path, content: str) -> Path:
    """An artifact directory whose hashes match; nothing here runs its model."""
    folder.mkdir()
    for name in (MODEL, TOKENIZER):
        (folder / name).write_text(f"{name} {content}", encoding="utf-8")
    manifest = Manifest(
        name="small",
        version=content,
        licence="none",
        base="none",
        attributes=(Head(name="incivility", combine="max", slope=1.0, intercept=0.0),),
        token_limit=16,
        window_overlap=2,
        files={name: sha256(folder / name) for name in (MODEL, TOKENIZER)},
        recipe="small",
        training_data="none",
        metrics={},
        measured_on="none",
    )
    write_manifest(folder, manifest)
    return folder


def rows(labels: list[float], sources: list[str], natural: list[bool]) -> Corpus:
    count = len(labels)
    column = np.array(labels, np.float32)[:, None]
    return Corpus(
        [str(n) for n in range(count)], sources, ["text"] * count, np.array(natural), column, np.ones(count, np.float32)
    )


def test_tolerances_are_inclusive() -> None:
    check({"incivility": GOOD, "threat": {"score_change": 0.0}, "insult": GOOD | {"auc_loss": -0.5}}, LIMITS)


@pytest.mark.parametrize(("key", "limit"), [("auc_loss", "0.01"), ("score_change", "0.05")])
def test_each_tolerance_names_attribute_and_number(key: str, limit: str) -> None:
    with pytest.raises(ExportError) as caught:
        check({"incivility": GOOD, "threat": GOOD | {key: 0.0512}}, LIMITS)
    assert str(caught.value) == f"int8 strays from fp32: threat: {key} 0.0512 > {limit}"


def test_every_broken_tolerance_is_named() -> None:
    with pytest.raises(ExportError, match=r"threat: auc_loss 0\.2000 > 0\.01; insult: score_change 0\.3000 > 0\.05$"):
        check({"threat": GOOD | {"auc_loss": 0.2}, "insult": GOOD | {"score_change": 0.3}}, LIMITS)


def test_comparison_of_int8_with_fp32() -> None:
    labels = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, 1.0], [0.0, np.nan]], np.float32)
    fp32 = np.array([[3, 0], [1, 0], [4, 0], [2, 0]], np.float32)
    int8 = np.array([[3, 0], [1, 0], [2, 0], [2.5, 0]], np.float32)
    found = compare(("insult", "threat"), labels, (int8, int8 / np.float32(10)), (fp32, fp32 / np.float32(10)))
    assert found["insult"] == {
        "auc": 0.75,
        "auc_loss": 0.25,
        "score_change": pytest.approx((0.2 + 0.05) / 4),
    }
    # One class only: there is no AUC to lose.
    assert found["threat"] == {"score_change": 0.0}


LABELS, LOGITS = [0.0, 0.2, 0.6, 1.0] * 4, np.array([-2, -1, 1, 2] * 4, np.float32)[:, None]
ON = ("incivility",)


def test_calibration_is_fitted_on_natural_rows_of_the_chosen_sources() -> None:
    # Behind sixteen good rows stand as many of another source, and as many unnatural ones, ranked backwards.
    labels, logits = LABELS * 3, np.concatenate([LOGITS, -LOGITS, -LOGITS])
    sources, natural = ["c3"] * 16 + ["sbic"] * 16 + ["c3"] * 16, [True] * 32 + [False] * 16
    plain = fits(LOGITS, rows(LABELS, ["c3"] * 16, [True] * 16), ON, {})
    assert plain["incivility"].sources == ("c3",)
    assert fits(logits, rows(labels, sources, natural), ON, {"incivility": ("c3",)}) == plain


def test_chosen_sources_that_hold_too_little_give_way_to_all() -> None:
    some = rows(LABELS, ["c3"] * 16, [True] * 16)
    assert fits(LOGITS, some, ON, {"incivility": ("ucc_val",)}) == fits(LOGITS, some, ON, {})


def test_head_that_ranks_backwards_is_refused() -> None:
    with pytest.raises(ExportError, match=r"incivility: calibration slope -.*: it ranks its rows backwards"):
        fits(-LOGITS, rows(LABELS, ["c3"] * 16, [True] * 16), ON, {})


def test_attribute_with_too_few_labels_keeps_its_logit_and_says_so() -> None:
    found = fits(-LOGITS[:8], rows(LABELS[:8], ["c3"] * 8, [True] * 8), ON, {})
    assert found == {"incivility": Fit(Line(1.0, 0.0), ())}


def test_install_replaces_the_whole_directory(tmp_path: Path) -> None:
    target = tmp_path / "model"
    install(artifact(tmp_path / "one", "1"), target)
    assert Artifact.load(target).manifest.version == "1"
    (target / "stray").touch()
    # What a crashed install left behind is no obstacle.
    (tmp_path / "model.new").mkdir()
    (tmp_path / "model.old").mkdir()
    install(artifact(tmp_path / "two", "2"), target)
    assert Artifact.load(target).manifest.version == "2"
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "model"}
    assert not (target / "stray").exists()


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_install_refuses_a_tampered_artifact_and_leaves_the_old_one(tmp_path: Path, name: str) -> None:
    target = tmp_path / "model"
    install(artifact(tmp_path / "one", "1"), target)
    tampered = artifact(tmp_path / "two", "2")
    (tampered / name).write_text("something else", encoding="utf-8")
    with pytest.raises(ArtifactError, match=f"{name} does not match its hash"):
        install(tampered, target)
    assert Artifact.load(target).manifest.version == "1"
    assert not (tmp_path / "model.new").exists()


def test_failed_copy_leaves_the_old_artifact(tmp_path: Path) -> None:
    target = tmp_path / "model"
    install(artifact(tmp_path / "one", "1"), target)
    broken = artifact(tmp_path / "two", "2")
    (broken / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="dangling"):
        install(broken, target)
    assert Artifact.load(target).manifest.version == "1"
