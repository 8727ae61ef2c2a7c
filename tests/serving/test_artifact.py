from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from labels import taxonomy
from serving.artifact import DEFAULT, Artifact, ArtifactError
from serving.scorer import Scorer


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(DEFAULT, tmp_path / "model")
    return tmp_path / "model"


def test_the_model_that_ships_is_whole_and_small() -> None:
    artifact = Artifact.load()
    assert artifact.manifest.licence
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 25 * 2**20


def test_the_model_that_ships_scores_every_attribute_of_the_taxonomy() -> None:
    names = tuple(head.name for head in Artifact.load().manifest.attributes)
    assert names == taxonomy.load().names


def test_every_attribute_of_the_model_that_ships_is_calibrated() -> None:
    assert all((head.slope, head.intercept) != (1.0, 0.0) for head in Artifact.load().manifest.attributes)


def test_a_changed_file_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json does not match its hash"):
        Scorer.load(copy)


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"lists model\.onnx, which is not there"):
        Artifact.load(copy)


def test_a_file_outside_the_directory_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["../secret"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"\.\./secret"):
        Artifact.load(copy)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": 2}, "format"),
        ({"token_limit": 4}, "token_limit"),
        ({"attributes": []}, "attributes"),
        ({"surprise": 1}, "surprise"),
        ({"token_limit": 32, "window_overlap": 30}, "windows do not advance"),
        ({"files": {}}, "files"),
        ({"spans": {"attribute": "toxicity", "slope": 0, "intercept": 0, "threshold": 0.5}}, r"spans\.slope"),
        ({"spans": {"attribute": "toxicity", "slope": 1, "intercept": 0, "threshold": 50}}, r"spans\.threshold"),
        (
            {"spans": {"attribute": "rudeness", "slope": 1, "intercept": 0, "threshold": 0.5}},
            r"spans\.attribute: 'rude",
        ),
    ],
)
def test_a_bad_manifest_names_the_key(copy: Path, change: dict[str, object], named: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(ArtifactError, match=named):
        Artifact.load(copy)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read"):
        Artifact.load(tmp_path)
