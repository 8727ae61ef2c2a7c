"""What each threshold does: precision, recall and the share flagged, attribute by attribute.

    python -m training.thresholds training/recipes/minilm-5.toml --output docs/evaluation

Writes thresholds.json, from held-out rows at their natural rate: test rows of the sources that an attribute's
calibration is fitted on, and the evaluation-only day of Civil Comments where it has labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from training import bootstrap, script
from training.bootstrap import Interval
from training.corpus import Corpus
from training.exam import Exam, ship
from training.measure import FEWEST

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

STEPS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)  # of comments flagged: what a team can read
DAY = "civil_comments_full"
RESAMPLES = 500


def at(
    truth: npt.NDArray[np.bool_], scores: Floats, threshold: float, weights: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Precision, recall and share flagged at `score >= threshold`, with 95 % intervals over draws [resamples, rows].

    Precision is None where nothing is flagged.
    """
    flagged = scores >= threshold
    every = np.concatenate([np.ones((1, len(truth)), np.int64), weights])
    hits, caught, positive = every @ (truth & flagged), every @ flagged, every @ truth
    total = every.sum(axis=1)
    result: dict[str, Any] = {"threshold": round(threshold, 4), "precision": None, "recall": None}
    for name, part, of in (("precision", hits, caught), ("recall", hits, positive), ("flagged", caught, total)):
        if of[0]:
            values = np.divide(part, of, out=np.full(len(every), np.nan), where=of > 0)
            result[name] = asdict(Interval.of(float(values[0]), values[1:]))
    return result


def reaching(scores: Floats, share: float) -> float:
    """The lowest threshold that flags at most `share` of the scores, to three decimals; 1 if any flags more."""
    grid = np.round(np.arange(0, 1001) / 1000, 3)
    flagged = np.array([(scores >= value).mean() for value in grid])
    return float(grid[np.argmax(flagged <= share)]) if (flagged <= share).any() else 1.0


def measured(rows: Corpus, labels: Floats, scores: Floats, seed: int) -> dict[str, Any] | None:
    """The table of one attribute on one set, labels and scores [rows] all known; None with too few of a class."""
    truth = labels >= 0.5
    if min(int(truth.sum()), int((~truth).sum())) < FEWEST:
        return None
    weights = bootstrap.draws(len(truth), RESAMPLES, seed)
    return {
        "sources": list(dict.fromkeys(rows.sources)),
        "rows": len(truth),
        "positives": int(truth.sum()),
        "steps": [at(truth, scores, step, weights) for step in STEPS],
        "shares": [{"share": share} | at(truth, scores, reaching(scores, share), weights) for share in SHARES],
    }


def tables(exam: Exam, attributes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Attribute -> its tables: near the calibration's sources, then on the day of Civil Comments, as far as known."""
    day = exam.rows(DAY) if exam.holds(DAY) else None
    result = {}
    for name in attributes:
        column, found = exam.column(name), []
        for rows in (exam.near(name), day):
            if rows is None:
                continue
            rows = rows.select(~np.isnan(rows.labels[:, column]))
            scores = exam.scores(rows.texts, f"scoring for {name}")[:, column]
            if table := measured(rows, rows.labels[:, column], scores, exam.recipe.seed):
                found.append(table)
        result[name] = found
    return result


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure what each threshold does on held-out comments."""
    exam, folder = ship(recipe_file, runs_dir, output)
    found = tables(exam, exam.scorer.attributes)
    path = exam.report(folder, "thresholds", {"resamples": RESAMPLES, "attributes": found})
    table = Table(title="Precision / recall / share flagged")
    table.add_column("attribute")
    table.add_column("set", overflow="fold")
    for step in (0.1, 0.3, 0.5, 0.8):
        table.add_column(f"≥ {step:g}", justify="right")
    for name, sets in found.items():
        for item in sets:
            rows = {row["threshold"]: row for row in item["steps"]}
            cells = [
                " / ".join("–" if rows[s][k] is None else f"{rows[s][k]['value']:.2f}" for k in ("precision", "recall"))
                + f" / {rows[s]['flagged']['value']:.1%}"
                for s in (0.1, 0.3, 0.5, 0.8)
            ]
            table.add_row(name, ", ".join(item["sources"]), *cells)
    Console().print(table)
    typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
