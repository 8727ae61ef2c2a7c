from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.test_shortage import RECIPE
from tests.training.world import World
from training import prepare, script
from training.recipe import RecipeError

ROW = '{"text": "The bus was late.", "decision": "accepted"}\n'
OURS = RECIPE.format(file="FILE", dev=0.1, test=0.2)


@pytest.mark.parametrize(
    ("rows", "recipe", "said"),
    [
        (ROW + "{\n", OURS, "rows.jsonl, row 2, column '(line)': expected one JSON object a line"),
        ('{"text": "The bus was late."}\n', OURS, "rows.jsonl: no row has a label; expected one in any of "),
        (None, OURS, "publisher: there is no file "),
        (ROW, OURS.replace("seed = 1", "seed = -1"), "recipe.toml: seed: "),
        (ROW, None, "recipe.toml: No such file or directory"),
    ],
)
def test_a_user_s_mistake_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: str | None,
    recipe: str | None,
    said: str,
) -> None:
    if rows is not None:
        (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    if recipe is not None:
        text = recipe.replace("FILE", str(tmp_path / "rows.jsonl"))
        (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["prepare", str(tmp_path / "recipe.toml"), "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as caught:
        script.run(prepare.main)
    (line,) = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2
    assert line.startswith("evenhand: ")
    assert said in line


def test_the_scripts_are_run_so(tmp_path: Path) -> None:
    done = World(tmp_path).run("training.recalibrate", "--decisions", tmp_path / "no.jsonl", "--output", tmp_path / "a")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"evenhand: publisher: there is no file {tmp_path / 'no.jsonl'}\n"


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        np.ones(2) + np.ones(3)

    monkeypatch.setattr("sys.argv", ["main"])
    with pytest.raises(ValueError, match="could not be broadcast"):
        script.run(main)


def test_only_our_own_and_the_system_s_errors_can_be_mended() -> None:
    assert script.mendable(RecipeError("recipe.toml: seed: "))
    assert script.mendable(FileNotFoundError("history.jsonl"))
    assert not script.mendable(np.linalg.LinAlgError("singular matrix"))
    assert not script.mendable(KeyError("text"))
