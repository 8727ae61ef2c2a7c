"""Fit each attribute's calibration on development rows, after quantisation, and compare int8 with fp32.

    python -m training.calibrate training/recipes/minilm.toml
    python -m training.calibrate training/recipes/minilm.toml --install serving/model

Fails if int8 loses more AUC, or moves calibrated scores further, than the recipe's tolerances allow.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from serving.artifact import Artifact, SpanHead, write_manifest
from serving.scorer import Scorer
from training import corpus, logistic, marks, record, script
from training.corpus import Corpus
from training.export import ARTIFACT, REFERENCE, ExportError
from training.logistic import Line
from training.metrics import auc
from training.recipe import Export, Recipe, load
from training.scoring import Kept
from training.settings import Settings

Floats = npt.NDArray[np.float32]
FEWEST = 5  # positives and negatives below which a fitted line would be an accident


@dataclass(frozen=True)
class Fit:
    """An attribute's calibration, and the sources that it was fitted on: none if there was too little."""

    line: Line
    sources: tuple[str, ...]


def fits(
    logits: Floats, rows: Corpus, attributes: tuple[str, ...], on: Mapping[str, tuple[str, ...]]
) -> dict[str, Fit]:
    """One calibration an attribute, from development logits [rows, attributes].

    `on` names the sources to fit an attribute on; where they hold too little, all sources are taken, and
    where those do too (fewer than FEWEST positives or negatives), the network's own logit stands. Only
    rows at a natural rate count. Raises ExportError if a head ranks its development rows backwards.
    """
    names = np.array(rows.sources)
    found = {}
    for column, attribute in enumerate(attributes):
        labels = rows.labels[:, column]
        known = rows.natural & ~np.isnan(labels)
        found[attribute] = Fit(Line(1.0, 0.0), ())
        for chosen in (known & np.isin(names, on.get(attribute, ())), known):
            positives = int((labels[chosen] >= 0.5).sum())
            if min(positives, int(chosen.sum()) - positives) < FEWEST:
                continue
            line = logistic.fit(logits[chosen, column], labels[chosen])
            assert line is not None
            if line.slope <= 0:
                raise ExportError(f"{attribute}: calibration slope {line.slope:.3g}: it ranks its rows backwards")
            found[attribute] = Fit(line, tuple(sorted(set(names[chosen].tolist()))))
            break
    return found


def calibrated(
    artifact: Artifact, fitted: Mapping[str, Fit], spans: SpanHead | None, metrics: dict[str, float]
) -> Artifact:
    """The artifact with a new manifest on disk that holds the lines, the head that marks words, and metrics."""
    heads = tuple(head.model_copy(update=asdict(fitted[head.name].line)) for head in artifact.manifest.attributes)
    changed = {"attributes": heads, "spans": spans, "metrics": metrics}
    write_manifest(artifact.path, artifact.manifest.model_copy(update=changed))
    return Artifact.load(artifact.path)


def compare(
    attributes: tuple[str, ...], labels: Floats, int8: tuple[Floats, Floats], fp32: tuple[Floats, Floats]
) -> dict[str, dict[str, float]]:
    """int8 against fp32 an attribute, each given as (logits, scores) [rows, attributes].

    `auc_loss` is fp32's AUC minus int8's; `score_change` the mean absolute change of a score.
    """
    found = {}
    for column, name in enumerate(attributes):
        reference, candidate = (auc(labels[:, column], logits[:, column]) for logits, _ in (fp32, int8))
        change = float(np.abs(int8[1][:, column] - fp32[1][:, column]).mean())
        found[name] = {"score_change": change}
        if reference is not None and candidate is not None:
            found[name] |= {"auc": candidate, "auc_loss": reference - candidate}
    return found


def check(found: Mapping[str, Mapping[str, float]], limits: Export) -> None:
    """Raises ExportError naming each attribute that int8 moves further than `limits` allow."""
    broken = [
        f"{name}: {key} {values[key]:.4f} > {limit:g}"
        for name, values in found.items()
        for key, limit in (("auc_loss", limits.auc_tolerance), ("score_change", limits.score_tolerance))
        if values.get(key, 0.0) > limit
    ]
    if broken:
        raise ExportError("int8 strays from fp32: " + "; ".join(broken))


def calibrate(recipe: Recipe, directory: Path) -> dict[str, Any]:
    """Calibrates both artifacts of a run and compares them. Raises ExportError beyond the tolerances."""
    exported = record.read(directory, "export")
    attributes = corpus.attributes(directory / "data")
    dev = corpus.read(directory / "data", "dev", attributes)
    marked = corpus.marks(directory / "data", "dev")
    fitted: dict[str, Fit] = {}
    scored: dict[str, tuple[Floats, Floats]] = {}
    metrics: dict[str, float] = {}
    for name in (REFERENCE, ARTIFACT):
        artifact = Artifact.load(directory / name)
        scorer = Scorer(artifact)
        logits = Kept(scorer, directory / "scores").logits(dev.texts, f"scoring with {name}")
        fitted = fits(logits, dev, attributes, recipe.calibrate.on)
        each = {a: auc(dev.labels[:, i], logits[:, i]) for i, a in enumerate(attributes)}
        metrics = {f"development_auc_{a}": round(value, 4) for a, value in each.items() if value is not None}
        spans = artifact.manifest.spans
        if spans and marked:
            chosen = dev.select(np.array([key in marked for key in dev.keys], np.bool_))
            spans = marks.fit(scorer, chosen.texts, [marked[key] for key in chosen.keys])
        scorer = Scorer(calibrated(artifact, fitted, spans, metrics))
        scored[name] = (logits, scorer.calibrate(logits))
    comparison = compare(attributes, dev.labels, scored[ARTIFACT], scored[REFERENCE])
    check(comparison, recipe.export)
    results = {
        "rows": len(dev),
        "fitted_on": {attribute: list(fit.sources) for attribute, fit in fitted.items()},
        "int8_against_fp32": comparison,
    }
    record.write(directory, "calibrate", recipe, exported["data_fingerprint"], results)
    return results


def install(artifact: Path, target: Path) -> None:
    """Copies a verified artifact to `target`, which at any moment is the old one, the new one or, for the
    instant between two renames, absent: never a mixture.
    """
    Artifact.load(artifact)
    fresh, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(artifact, fresh)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    install_to: Annotated[Path | None, typer.Option("--install", help="copy the artifact to this directory")] = None,
) -> None:
    """Calibrate an exported artifact and compare int8 with fp32."""
    recipe = load(recipe_file)
    directory = (runs_dir or Settings().runs_dir) / recipe.name
    results = calibrate(recipe, directory)
    table = Table(title=f"int8 against fp32 on {results['rows']:,} development rows")
    for heading in ("attribute", "AUC", "AUC lost", "mean change of score"):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    for name, values in results["int8_against_fp32"].items():
        cells = [f"{values[key]:.4f}" if key in values else "-" for key in ("auc", "auc_loss", "score_change")]
        table.add_row(name, *cells)
    Console().print(table)
    if install_to:
        install(directory / ARTIFACT, install_to)
        Console().print(f"installed to {install_to}")


if __name__ == "__main__":
    script.run(main)
