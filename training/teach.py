"""Score a recipe's training rows with its teachers, the networks of other runs, for its own network to learn from.

    python -m training.teach student.toml

Their mean probabilities go to <runs-dir>/<recipe>/teachers.parquet. Rows are scored in blocks that are kept in
<runs-dir>/<recipe>/scores; run the same command again after an interruption and it goes on behind the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from tokenizers import Tokenizer

from serving.artifact import TOKENIZER, sha256
from training import compare, corpus, lineage, network, record, scoring, script
from training.augment import JOINED
from training.recipe import Recipe, RecipeError, load
from training.record import fingerprint
from training.settings import Settings

Floats = npt.NDArray[np.float32]
FILE = "teachers.parquet"
BLOCK = 10_000  # rows between two savings: a few minutes of a large teacher


def teach(recipe: Recipe, runs: Path) -> int:
    """Scores the rows of the sources that the recipe wants taught, and returns how many those are.

    Raises FileNotFoundError if the recipe or a teacher is not prepared or a teacher not trained, RecipeError if the
    recipe names no teacher, no row to teach, or a teacher that was trained on rows which the recipe holds out.
    """
    if not recipe.train.teachers:
        raise RecipeError(f"{recipe.name}: train.teachers names no run")
    directory = runs / recipe.name
    prepared = record.read(directory / "data", "prepare")
    rows = corpus.read(directory / "data", "train", corpus.attributes(directory / "data"))
    if chosen := set(recipe.train.taught):
        rows = rows.select(np.array([source in chosen for source in rows.sources], np.bool_))
    if not len(rows):
        raise RecipeError(f"{recipe.name}: train.taught: no training row is of these sources")
    found = {name: scored(runs / name, directory, rows.texts) for name in recipe.train.teachers}
    columns = {}
    for attribute in dict.fromkeys(name for scores in found.values() for name in scores):
        columns[attribute] = np.mean([scores[attribute] for scores in found.values() if attribute in scores], axis=0)
    pq.write_table(pa.table({"key": rows.keys} | columns), directory / FILE, compression="zstd")
    weights = {name: lineage.weights(runs / name) for name in found}
    results = {"teachers": weights, "rows": len(rows), "attributes": list(columns)}
    record.write(directory, "teach", recipe, prepared["data_fingerprint"], results)
    return len(rows)


def scored(teacher: Path, directory: Path, texts: Sequence[str]) -> dict[str, Floats]:
    """One teacher's probabilities [texts] by attribute, given the folders of its run and of the one that it teaches.

    Raises FileNotFoundError if it is not trained, RecipeError if it was on rows that the other holds out.
    """
    recipe = Recipe.model_validate(record.read(teacher / "data", "prepare")["recipe"])
    own = corpus.attributes(teacher / "data")
    if (row := lineage.held_out(lineage.seen(teacher, own, recipe), directory)) is not None:
        raise RecipeError(
            f"{row} is held out here, and the teacher {recipe.name} was trained on it: give both recipes the same "
            "seed, sources and fractions, and prepare both again"
        )
    weights = lineage.weights(teacher)
    trained = network.restore(teacher / "network", own)
    tokenizer = Tokenizer.from_file(str(teacher / "network" / TOKENIZER))
    parts = [np.empty((0, len(own)), np.float32)]
    for start in range(0, len(texts), BLOCK):
        block = texts[start : start + BLOCK]
        key = fingerprint(part.encode() for part in (weights, *block))
        path = directory / "scores" / f"teacher-{key[:16]}.npy"
        parts.append(scoring.keep(path, partial(compare.score, trained, tokenizer, block, recipe)))
    probabilities = (1 / (1 + np.exp(-np.concatenate(parts)))).astype(np.float32)
    return {attribute: probabilities[:, column] for column, attribute in enumerate(own)}


def identity(directory: Path) -> str:
    """SHA-256 of the teachers' scores in a run's directory. Raises FileNotFoundError that names the step to run."""
    path = directory / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m training.teach` with this recipe first")
    return sha256(path)


def targets(directory: Path, keys: Sequence[str], attributes: Sequence[str]) -> Floats:
    """The teachers' mean probabilities [rows, attributes] for rows by key, NaN where there is none.

    A disguised or swapped copy has those of its row as it was written: what the copy hides, the teachers saw. A joined
    one is another text and has none.
    """
    table = pq.read_table(directory / FILE)
    places = {key: place for place, key in enumerate(table["key"].to_pylist())}
    index = np.array([places.get(_written(key), -1) for key in keys], np.int64)
    result = np.full((len(keys), len(attributes)), np.nan, np.float32)
    for column, name in enumerate(attributes):
        if name in table.column_names:
            result[:, column] = np.where(index < 0, np.nan, table[name].to_numpy()[index])
    return result


def _written(key: str) -> str:
    """Key of the row that a copy was made of; a key without a row for joined ones."""
    source, number, *kind = key.split(":")
    return key if kind == [JOINED] else f"{source}:{number}"


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
) -> None:
    """Score a recipe's training rows with its teachers."""
    recipe = load(recipe_file)
    rows = teach(recipe, runs_dir or Settings().runs_dir)
    Console().print(f"{rows:,} rows of {recipe.name} have the scores of {', '.join(recipe.train.teachers)}")


if __name__ == "__main__":
    script.run(main)
