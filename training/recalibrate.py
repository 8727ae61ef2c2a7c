"""Fit an artifact's calibration to a site's own decisions: the same model, with scores that are rates on that site.

    python -m training.recalibrate --decisions decisions.jsonl --output ours
    evenhand serve --model ours

Rows have the columns of docs/your-own-data.md (text, decision, attributes by name). Their `weight` must be above 0: of
a sample that holds every rejected comment and one accepted comment in ten, the accepted ones count 10.

A site's base rate differs from that of the data a model was calibrated on. If nothing else differs, the right scores
are the old ones with a constant added to their log-odds (Saerens, Latinne, Decaestecker 2002: Adjusting the Outputs of
a Classifier to New a Priori Probabilities, Neural Computation 14); from FEW decisions of a kind on, that constant is
fitted. From MANY on, the slope is too (Platt 1999), since house rules differ as well. Fewer leave an attribute alone.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from labels.sources import SOURCES
from labels.sources.reader import RowError, read_file
from serving.artifact import Artifact, Head, write_manifest
from serving.scorer import Scorer
from training import logistic, scoring, script
from training.logistic import Line
from training.metrics import calibration_error

Floats = npt.NDArray[np.floating]

FEW, MANY = 10, 100  # decisions of the rarer kind from which on the intercept, and the slope too, is fitted
FOLDS = 5


class RecalibrationError(ValueError):
    """The decisions cannot be used. The message says what to do."""


@dataclass(frozen=True)
class Decisions:
    """A site's rows: texts, shares by attribute [rows] with NaN for unknown, and weights [rows] above 0."""

    texts: list[str]
    labels: dict[str, Floats]
    weights: Floats


@dataclass(frozen=True)
class Refit:
    """An attribute's new line and how it was found.

    `before` and `after` are calibration errors on the site's rows; `after` is of lines fitted without the rows that it
    is measured on.
    """

    line: Line
    how: str
    rows: int
    positives: int
    before: float
    after: float


def read(path: Path, attributes: Sequence[str]) -> Decisions:
    """The rows of a file that have a label of some attribute. Raises SourceError or RowError naming row and column."""
    texts, weights, labels = [], [], []
    for item in read_file(SOURCES["publisher"], path):
        if item.weight == 0:
            raise RowError(path.name, item.row, "weight", "expected a number above 0")
        if any(name in item.labels for name in attributes):
            texts.append(item.text)
            weights.append(item.weight)
            labels.append([item.labels.get(name, np.nan) for name in attributes])
    table = np.array(labels, np.float64).reshape(len(texts), len(attributes))
    return Decisions(texts, {name: table[:, n] for n, name in enumerate(attributes)}, np.array(weights, np.float64))


def line(logits: Floats, labels: Floats, weights: Floats, old: Line) -> tuple[Line, str] | None:
    """The new line of an attribute for logits and soft labels [rows], all known, and how it was found.

    None if there are fewer than FEW rows of either class, or if the site's decisions rank against the scores.
    """
    positives = int((labels >= 0.5).sum())
    rarer = min(positives, len(labels) - positives)
    if rarer >= MANY:
        found = logistic.fit(logits, labels, weights)
        if found is not None and found.slope > 0:
            return found, "slope and intercept"
    if rarer < FEW:
        return None
    constant = logistic.shift(old.predict(logits), labels, weights)
    return Line(old.slope, old.intercept + constant), "intercept"


def refit(logits: Floats, labels: Floats, weights: Floats, old: Line, seed: int = 0) -> Refit | None:
    """`line` on all rows, with the calibration error before, and after by cross-validation in FOLDS; None as `line`."""
    known = ~np.isnan(labels)
    logits, labels, weights = logits[known].astype(np.float64), labels[known], weights[known]
    found = line(logits, labels, weights, old)
    if found is None:
        return None
    folds = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    scores = np.empty(len(labels))
    for fold in range(FOLDS):
        inside = folds == fold
        kept = line(logits[~inside], labels[~inside], weights[~inside], old)
        scores[inside] = (kept[0] if kept else old).predict(logits[inside])
    before, after = (calibration_error(labels, values) for values in (old.predict(logits), scores))
    return Refit(found[0], found[1], len(labels), int((labels >= 0.5).sum()), before, after)


def refits(scorer: Scorer, decisions: Decisions) -> dict[str, Refit | None]:
    """Attribute -> what was fitted, None where there was too little; attributes without any label are left out."""
    logits = scoring.logits(scorer, decisions.texts, "scoring the decisions")
    found: dict[str, Refit | None] = {}
    for column, head in enumerate(scorer.manifest.attributes):
        labels = decisions.labels[head.name]
        if not np.isnan(labels).all():
            found[head.name] = refit(logits[:, column], labels, decisions.weights, Line(head.slope, head.intercept))
    return found


def write(artifact: Artifact, found: Mapping[str, Refit | None], output: Path) -> Artifact:
    """A copy of the artifact in `output`, with the new lines in its manifest; its version ends in a digest of them.

    Raises RecalibrationError if `output` exists.
    """
    if output.exists():
        raise RecalibrationError(f"{output} exists: name a new directory, or remove that one first")
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(artifact.path, partial)
    manifest = artifact.manifest
    heads = tuple(_head(head, found.get(head.name)) for head in manifest.attributes)
    version = f"{manifest.version.partition('+')[0]}+recalibrated.{_digest(heads)}"
    write_manifest(partial, manifest.model_copy(update={"attributes": heads, "version": version}))
    Artifact.load(partial)
    partial.rename(output)
    return Artifact.load(output)


def _head(head: Head, fitted: Refit | None) -> Head:
    if fitted is None:
        return head
    return head.model_copy(update={"slope": fitted.line.slope, "intercept": fitted.line.intercept})


def _digest(heads: Sequence[Head]) -> str:
    """What tells recalibrations of one model apart, as its users are shown the version only."""
    return hashlib.sha256("".join(head.model_dump_json() for head in heads).encode()).hexdigest()[:8]


def recalibrate(decisions: Path, artifact: Path | None, output: Path) -> dict[str, Refit | None]:
    """Writes the recalibrated artifact. Raises RecalibrationError if nothing could be fitted."""
    original = Artifact.load(artifact)
    if output.exists():
        raise RecalibrationError(f"{output} exists: name a new directory, or remove that one first")
    scorer = Scorer(original)
    found = refits(scorer, read(decisions, scorer.attributes))
    if not any(found.values()):
        raise RecalibrationError(
            f"{decisions.name}: no attribute has {FEW} rows with it and {FEW} without; scores stay as they are"
        )
    write(original, found, output)
    return found


def main(
    decisions: Annotated[Path, typer.Option(help="the site's rows: JSONL, CSV or Parquet")],
    output: Annotated[Path, typer.Option(help="directory for the new artifact, which must not exist")],
    artifact: Annotated[Path | None, typer.Option(help="artifact directory; the model that ships if left out")] = None,
) -> None:
    """Fit an artifact's calibration to a site's own decisions."""
    found = recalibrate(decisions, artifact, output)
    table = Table(title="Calibration error on the site's rows: before, and after by cross-validation")
    for heading in ("attribute", "rows", "positives", "fitted", "before", "after"):
        table.add_column(heading, justify="left" if heading in ("attribute", "fitted") else "right")
    for name, item in found.items():
        cells: tuple[Any, ...] = ("", "", "nothing: too few of a kind", "", "")
        if item:
            cells = (f"{item.rows:,}", f"{item.positives:,}", item.how, f"{item.before:.3f}", f"{item.after:.3f}")
        table.add_row(name, *cells)
    Console().print(table)
    typer.echo(f"written to {output}: scores of other attributes are as before, and so is every ranking")


if __name__ == "__main__":
    script.run(main)
