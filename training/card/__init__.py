"""Write the model card wholly from the results' JSON, the taxonomy, the sources and the manifest.

    python -m training.card                      # model_card.md, for the model that ships
    python -m training.card training/recipes/minilm.toml --output card.md

Nothing in the card is typed by hand: change the code or the inputs and write it again. Of the results only
evaluation.json must be there; each other one adds its section.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from labels import taxonomy
from labels.taxonomy import Taxonomy
from serving.artifact import MANIFEST, Artifact, sha256
from training.card import data, explanations, fairness, model, peers, results, robustness, suites, thresholds
from training.exam import EVALUATION
from training.export import ARTIFACT
from training.recipe import load
from training.settings import Settings

CARD = Path("model_card.md")
# What each command writes beside evaluation.json, and the section that is made of it.
COMMANDS = {
    "evaluation": "python -m training.evaluate",
    "thresholds": "python -m training.thresholds",
    "calibration": "python -m training.reliability",
    "review": "python -m training.review",
    "shift": "python -m training.shift",
    "fairness": "python -m training.fairness",
    "swaps": "python -m training.swaps",
    "robustness": "python benchmarks/robustness.py",
    "marks": "python -m training.marks",
    "explanations": "python benchmarks/explanations.py",
    "checks": "python -m training.checks",
    "hatecheck": "python -m training.hatecheck",
    "peers": "python benchmarks/quality.py",
}
MEASURED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "thresholds": thresholds.thresholds,
    "calibration": thresholds.calibration,
    "review": thresholds.review,
    "shift": thresholds.shift,
    "fairness": fairness.fairness,
    "swaps": fairness.swaps,
    "robustness": robustness.robustness,
    "marks": explanations.marks,
    "explanations": explanations.explanations,
    "checks": suites.checks,
    "hatecheck": suites.hatecheck,
    "peers": peers.peers,
}


class CardError(ValueError):
    """The inputs do not belong together. The message names both."""


def read(folder: Path) -> dict[str, Any]:
    """The results in a directory by name, those of COMMANDS that are there."""
    files = {name: folder / f"{name}.json" for name in COMMANDS}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()}


def card(found: Mapping[str, Any], artifact: Artifact, known: Taxonomy, pictures: str) -> str:
    """The card as Markdown, from results by name. `pictures` is the path of the evaluation's pictures as seen from it.

    Raises CardError if there is no evaluation, or if a result is of another model than the artifact.
    """
    manifest, present = artifact.manifest, sha256(artifact.path / MANIFEST)
    if "evaluation" not in found:
        raise CardError("there is no evaluation.json: run `python -m training.evaluate`")
    for name, result in found.items():
        if result["manifest_sha256"] != present:
            raise CardError(
                f"{name}.json is of the manifest {result['manifest_sha256'][:12]}, the artifact has {present[:12]}: "
                f"run `{COMMANDS[name]}` again"
            )
    evaluation = found["evaluation"]
    parts = [
        model.front(evaluation, artifact),
        model.use(),
        results.bars(evaluation),
        results.attributes(evaluation, known, [head.name for head in manifest.attributes]),
        results.measurements(evaluation, pictures),
        results.bands(evaluation),
        *(section(found[name]) for name, section in MEASURED.items() if name in found),
        results.quantisation(evaluation),
        results.speed(evaluation),
        results.failures(evaluation),
        data.data(evaluation),
        data.made(evaluation),
    ]
    return "\n\n".join(parts) + "\n"


def write(evaluation: Path, artifact: Path | None, output: Path) -> None:
    """Writes the card of an artifact from the directory of results. Raises CardError or ArtifactError."""
    try:
        pictures = evaluation.resolve().relative_to(output.resolve().parent).as_posix()
    except ValueError:
        pictures = evaluation.resolve().as_posix()
    output.write_text(card(read(evaluation), Artifact.load(artifact), taxonomy.load(), pictures), encoding="utf-8")


def main(
    recipe_file: Annotated[Path | None, typer.Argument(metavar="[RECIPE]")] = None,
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="directory that evaluate wrote")] = None,
    output: Annotated[Path | None, typer.Option(help="the card's file")] = None,
) -> None:
    """Write the card of the model that ships, or with RECIPE that of a run."""
    if recipe_file is None:
        write(evaluation or EVALUATION, None, output or CARD)
    else:
        directory = (runs_dir or Settings().runs_dir) / load(recipe_file).name
        output = output or directory / CARD.name
        write(evaluation or directory / "evaluation", directory / ARTIFACT, output)
    typer.echo(f"written to {output or CARD}")
