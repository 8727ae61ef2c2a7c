"""Make a run's network anew from the artifact that was exported from it, where the checkpoints are gone.

    python -m training.prepare training/recipes/minilm-2.toml --data-dir DATA
    python -m training.revive  training/recipes/minilm-2.toml --artifact serving/model

Writes <runs-dir>/<recipe>/network, from which another recipe may `start`. Its weights are those that are served,
rounded to 7 bits; training goes on from there without harm. The run has to be prepared first, so that the rows which
the next run must not train on are known. The artifact itself is copied beside it, so that `training.evaluate` and the
other measurements can be repeated: with today's code, of the model that is served.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from transformers import AutoTokenizer

from serving.artifact import DEFAULT, MODEL, Artifact
from training import corpus, int8, network, record, script
from training.encoder import locate
from training.export import ARTIFACT, REFERENCE
from training.recipe import Recipe, RecipeError, load
from training.settings import Settings
from training.train import characters, encode, length_prior


def revived(directory: Path) -> bool:
    """Whether a run's artifact was put there by `revive`: the run has no fp32 model, and no calibration of its own."""
    return (directory / "revive.json").is_file() and not (directory / REFERENCE).is_dir()


def revive(recipe: Recipe, artifact: Artifact, directory: Path, *, other_rows: bool = False) -> dict[str, Any]:
    """Writes the network of an artifact, and the artifact, into a run's `directory`; returns what is also recorded.

    Raises RecipeError if the artifact is not of this recipe, or was trained on other rows than are prepared (which
    `other_rows` accepts and records), FileNotFoundError if the run is not prepared.
    """
    manifest = artifact.manifest
    prepared = record.read(directory / "data", "prepare")
    if manifest.recipe != recipe.name:
        raise RecipeError(f"{artifact.path} was made by the recipe {manifest.recipe!r}, not {recipe.name!r}")
    same = manifest.training_data == prepared["data_fingerprint"]
    if not same and not other_rows:
        raise RecipeError(
            f"{artifact.path} was trained on other rows than are prepared in {directory / 'data'}: prepare them with "
            "the code and files of that time, or pass --other-rows if the difference is known and harmless"
        )
    attributes = tuple(head.name for head in manifest.attributes)
    if attributes != corpus.attributes(directory / "data"):
        raise RecipeError(f"{artifact.path} scores other attributes than are prepared in {directory / 'data'}")
    source = locate(recipe.train.encoder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = network.build(source, attributes, 0.0, marks=int8.marks_words(artifact.path / MODEL))
    int8.read(artifact.path / MODEL, model)
    # The graph holds one sum of bias and intercept; the prior is fitted anew to tell them apart.
    rows = corpus.read(directory / "data", "train", attributes)
    sizes = torch.ones_like(model.sizes)
    if recipe.train.length_unit == "characters":
        sizes = characters(tokenizer, len(sizes))
    columns = [attributes.index(name) for name in recipe.train.length_prior]
    labelled = np.asarray(~np.isnan(rows.labels[:, columns]).all(axis=1), np.bool_)
    chosen = rows.select(labelled)
    encoded = encode(chosen, tokenizer, recipe.train.max_tokens, [1.0] * len(chosen), {})
    prior = length_prior(encoded, attributes, recipe.train.length_prior, sizes)
    with torch.no_grad():
        model.head.bias.sub_(prior[0])
        model.prior[0] = prior[0]
    shutil.rmtree(directory / "network", ignore_errors=True)
    network.save(model, directory / "network")
    tokenizer.save_pretrained(directory / "network")
    if artifact.path.resolve() != (directory / ARTIFACT).resolve():
        shutil.rmtree(directory / ARTIFACT, ignore_errors=True)
        shutil.copytree(artifact.path, directory / ARTIFACT)
    results = {
        "artifact": manifest.files,
        "same_rows": same,
        "slope_of_prior": {
            name: {
                "artifact": float(model.prior[1, attributes.index(name)]),
                "fitted": float(prior[1, attributes.index(name)]),
            }
            for name in recipe.train.length_prior
        },
    }
    record.write(directory, "revive", recipe, prepared["data_fingerprint"], results)
    return results


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    artifact: Annotated[Path, typer.Option(help="the artifact that was exported from the run")] = DEFAULT,
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    other_rows: Annotated[bool, typer.Option("--other-rows", help="accept rows other than those of then")] = False,
) -> None:
    """Make a run's network anew from its artifact."""
    recipe = load(recipe_file)
    directory = (runs_dir or Settings().runs_dir) / recipe.name
    results = revive(recipe, Artifact.load(artifact), directory, other_rows=other_rows)
    for name, slopes in results["slope_of_prior"].items():
        Console().print(f"{name}: slope of the prior {slopes['artifact']:.3f}, fitted anew {slopes['fitted']:.3f}")
    Console().print(f"written to {directory / 'network'}")


if __name__ == "__main__":
    script.run(main)
