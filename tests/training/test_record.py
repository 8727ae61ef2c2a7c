from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from training import record
from training.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "seed": 5,
        "prepare": {"sources": [{"name": "c3"}]},
        "train": {"encoder": "none"},
        "export": {"name": "small", "version": "0", "licence": "none"},
    }
)


def test_record_says_what_was_done_with_what(tmp_path: Path) -> None:
    path = record.write(tmp_path, "train", RECIPE, "abc", {"steps": 3, "note": "“quoted”"})
    assert path == tmp_path / "train.json"
    found = record.read(tmp_path, "train")
    assert Recipe.model_validate(found["recipe"]) == RECIPE
    assert (found["step"], found["seed"], found["data_fingerprint"]) == ("train", 5, "abc")
    assert found["results"] == {"steps": 3, "note": "“quoted”"}
    assert found["versions"]["torch"] == version("torch")
    assert found["versions"].keys() == {"python", *record.PACKAGES}
    assert found["cpu"].keys() == {"name", "features"}


def test_missing_record_names_the_step_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"export\.json is missing: run `python -m training\.export` with"):
        record.read(tmp_path, "export")


def test_fingerprint_knows_order_and_boundaries() -> None:
    parts = [b"one", b"two"]
    assert record.fingerprint(parts) == record.fingerprint(parts)
    assert len({record.fingerprint(p) for p in (parts, parts[::-1], [b"onetwo"], [b"onet", b"wo"], [])}) == 5
