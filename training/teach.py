"""Score a recipe's training rows with its teacher, the network of another run, for its own network to learn from.

    python -m training.teach training/recipes/minilm-4.toml

The teacher's probabilities go to <runs-dir>/<recipe>/teacher.parquet. Rows are scored in blocks that are kept in
<runs-dir>/<recipe>/scores; run the same command again after an interruption and it goes on behind the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from training import compare, corpus, lineage, network, record, scoring
from training.augment import JOINED
from training.network import WEIGHTS
from training.recipe import Recipe, RecipeError, load
from training.record import fingerprint
from training.settings import Settings

Floats = npt.NDArray[np.float32]
FILE = "teacher.parquet"
BLOCK = 10_000  # rows between two savings: a few minutes of a large teacher


def teach(recipe: Recipe, runs: Path) -> int:
    """Scores the rows of the sources that the recipe wants taught, and returns how many those are.

    Raises FileNotFoundError if the recipe or its teacher is not prepared or the teacher not trained, RecipeError if the
    recipe names no teacher, or one that was trained on rows which the recipe holds out.
    """
    name = recipe.train.teacher
    if name is None:
        raise RecipeError(f"{recipe.name}: train.teacher names no run")
    directory, folder = runs / recipe.name, runs / name
    prepared = record.read(directory / "data", "prepare")
    trained = record.read(folder, "train")
    master = Recipe.model_validate(trained["recipe"])
    own = corpus.attributes(folder / "data")
    if (row := lineage.held_out(lineage.seen(folder, own, master), directory)) is not None:
        raise RecipeError(
            f"{row} is held out here, and the teacher {name} was trained on it: give both recipes the same seed, "
            "sources and fractions, and prepare both again"
        )
    rows = corpus.read(directory / "data", "train", own)
    if chosen := set(recipe.train.taught):
        rows = rows.select(np.array([source in chosen for source in rows.sources], np.bool_))
    weights = sha256(folder / "network" / WEIGHTS)
    teacher = network.restore(folder / "network", own)
    tokenizer = Tokenizer.from_file(str(folder / "network" / TOKENIZER))
    parts = []
    for start in range(0, len(rows), BLOCK):
        texts = rows.texts[start : start + BLOCK]
        key = fingerprint(part.encode() for part in (weights, *texts))
        path = directory / "scores" / f"teacher-{key[:16]}.npy"
        parts.append(scoring.keep(path, lambda texts=texts: compare.score(teacher, tokenizer, texts, master)))
    logits = np.concatenate(parts) if parts else np.empty((0, len(own)), np.float32)
    probabilities = 1 / (1 + np.exp(-logits))
    columns = {attribute: probabilities[:, column] for column, attribute in enumerate(own)}
    pq.write_table(pa.table({"key": rows.keys} | columns), directory / FILE, compression="zstd")
    results = {"teacher": name, "teacher_weights": weights, "rows": len(rows), "attributes": list(own)}
    record.write(directory, "teach", recipe, prepared["data_fingerprint"], results)
    return len(rows)


def identity(directory: Path) -> str:
    """SHA-256 of the teacher's scores in a run's directory. Raises FileNotFoundError that names the step to run."""
    path = directory / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m training.teach` with this recipe first")
    return sha256(path)


def targets(directory: Path, keys: Sequence[str], attributes: Sequence[str]) -> Floats:
    """The teacher's probabilities [rows, attributes] for rows by key, NaN where it gave none.

    A disguised or swapped copy has those of its row as it was written: what the copy hides, the teacher saw. A joined
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
    """Score a recipe's training rows with its teacher."""
    recipe = load(recipe_file)
    rows = teach(recipe, runs_dir or Settings().runs_dir)
    Console().print(f"{rows:,} rows of {recipe.name} have the scores of {recipe.train.teacher}")


if __name__ == "__main__":
    typer.run(main)
