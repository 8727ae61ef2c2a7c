from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from training import prepare
from training.pretrain import pretrain
from training.recipe import RecipeError, load
from training.train import train

RECIPE = """
name = "ours"
seed = 1
[prepare]
[[prepare.sources]]
name = "publisher"
file = "{file}"
dev = {dev}
test = {test}
[pretrain]
steps = 1
[train]
encoder = "none"
[export]
name = "ours"
version = "1"
licence = "internal use"
"""


def prepared(folder: Path, rows: Sequence[Mapping[str, Any]], dev: float = 0.1, test: float = 0.2) -> Path:
    """The recipe of a site's rows, prepared by the script into `folder`."""
    file, path = folder / "history.jsonl", folder / "ours.toml"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path.write_text(RECIPE.format(file=file, dev=dev, test=test), encoding="utf-8")
    prepare.main(path, folder, folder)
    return path


def rows(count: int, stories: int, rejected: int) -> list[dict[str, Any]]:
    """Comments on so many stories, no near copies of each other, the first of them rejected."""
    return [
        {
            "text": f"Comment {n} speaks of {n * n} and {n + 7} houses in street {3 * n}",
            "decision": "rejected" if n < rejected else "accepted",
            "story": f"s{n % stories}",
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("comments", "fractions", "missing", "told"),
    [
        (rows(60, 1, 30), (0.1, 0.2), "dev, test", "publisher: rows 60, groups 1, dev 0.1, test 0.2"),
        ([], (0.1, 0.2), "train, dev, test", "publisher: rows 0, groups 0"),
        (rows(60, 60, 30), (0.0, 0.2), "dev", "publisher: rows 60, groups 60, dev 0, test 0.2"),
    ],
)
def test_empty_splits_are_told_and_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    comments: list[dict[str, Any]],
    fractions: tuple[float, float],
    missing: str,
    told: str,
) -> None:
    path = prepared(tmp_path, comments, *fractions)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: ours: no rows for {missing} ({told}")
    for step in (train, pretrain):
        with pytest.raises(RecipeError, match=r"ours: no rows for .*dev.*it takes more groups or a larger fraction"):
            step(load(path), tmp_path / "ours")


def test_enough_rows_raise_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepared(tmp_path, rows(60, 60, 30), dev=0.3, test=0.3)
    assert capsys.readouterr().err == ""
