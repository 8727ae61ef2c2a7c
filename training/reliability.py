"""Whether scores are probabilities: calibration error on held-out rows at their natural rate, and by group.

    python -m training.reliability training/recipes/minilm-5.toml --output docs/evaluation

Writes calibration.json. Expected calibration error (Naeini et al. 2015) is over ten equal-count bins, against the
share of annotators. It is never 0 on finite rows: `floor` is what perfectly calibrated scores would show on as many
rows if each label were a single yes or no drawn at the score's own rate, so that shares of several annotators can be
below it.
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

from labels.identities import MENTIONS
from training import bootstrap, script
from training.bootstrap import Interval
from training.exam import Exam, ship
from training.measure import FEWEST
from training.metrics import calibration_error

Floats = npt.NDArray[np.floating]

BAR = 0.02
DAY = "civil_comments_full"
GROUPED = (("toxicity", "civil_comments"), ("report_worthy", DAY))  # what is also shown by group, and on which rows
LEAST = 100  # rows of a group below which bins of ten say nothing
RESAMPLES = 300
BINS = 10


def weighted_error(labels: Floats, scores: Floats, weights: npt.NDArray[np.int64]) -> Floats:
    """Calibration error for each line of weights [resamples, rows], over equal-count bins of all rows."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    gaps = [np.abs(weights[:, part] @ (labels[part] - scores[part])) for part in parts]
    result: Floats = np.sum(gaps, axis=0) / weights.sum(axis=1)
    return result


def floor(scores: Floats, seed: int, draws: int = 100) -> float:
    """Mean calibration error of the scores against single labels drawn at their own rates."""
    generator = np.random.default_rng(seed)
    ones = np.ones((1, len(scores)), np.int64)
    drawn = (generator.random((draws, len(scores))) < scores).astype(np.float64)
    return float(np.mean([weighted_error(labels, scores, ones)[0] for labels in drawn]))


def measured(labels: Floats, scores: Floats, seed: int) -> dict[str, Any]:
    """Calibration error of scores [rows] against soft labels [rows], all known, with a 95 % interval."""
    found = calibration_error(labels, scores)
    weights = bootstrap.draws(len(labels), RESAMPLES, seed)
    return {
        "rows": len(labels),
        "positives": int((labels >= 0.5).sum()),
        "mean_label": round(float(labels.mean()), 4),
        "mean_score": round(float(scores.mean()), 4),
        "error": asdict(Interval.of(found, weighted_error(labels, scores, weights))),
        "floor": round(floor(scores, seed), 4),
    }


def by_attribute(exam: Exam, attributes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Attribute -> its error on the rows it is calibrated for, on each of their sources, and on the unseen day.

    `met` is whether the first is within BAR; attributes without enough rows of both classes are left out.
    """
    result = {}
    day = exam.rows(DAY) if exam.holds(DAY) else None
    for name in attributes:
        column, rows = exam.column(name), exam.near(name)
        labels = rows.labels[:, column]
        if min(int((labels >= 0.5).sum()), int((labels < 0.5).sum())) < FEWEST:
            continue
        scores = exam.scores(rows.texts, f"scoring for {name}")[:, column]
        sources = np.array(rows.sources)
        item: dict[str, Any] = {"together": measured(labels, scores, exam.recipe.seed), "sources": {}}
        for source in dict.fromkeys(rows.sources):
            mine = sources == source
            item["sources"][source] = measured(labels[mine], scores[mine], exam.recipe.seed)
        if day is not None and (known := ~np.isnan(day.labels[:, column])).any():
            there = exam.scores(day.texts, f"scoring {DAY}")[known, column]
            item["sources"][DAY] = measured(day.labels[known, column], there, exam.recipe.seed)
        item["met"] = bool(item["together"]["error"]["value"] <= BAR)
        result[name] = item
    return result


def by_group(exam: Exam) -> list[dict[str, Any]]:
    """Errors among comments that mention a group, for GROUPED; groups of fewer than LEAST rows are named only."""
    found = []
    for name, source in GROUPED:
        if name not in exam.scorer.attributes or not exam.holds(source):
            continue
        column, rows = exam.column(name), exam.rows(source)
        rows = rows.select(~np.isnan(rows.labels[:, column]))
        scores = exam.scores(rows.texts, f"scoring {source}")[:, column]
        item: dict[str, Any] = {"attribute": name, "source": source, "groups": {}, "too_few": {}}
        for group, pattern in MENTIONS.items():
            mine = np.array([bool(pattern.search(text)) for text in rows.texts], dtype=np.bool_)
            if mine.sum() < LEAST:
                item["too_few"][group] = int(mine.sum())
                continue
            item["groups"][group] = measured(rows.labels[mine, column], scores[mine], exam.recipe.seed)
        found.append(item)
    return found


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure calibration on held-out comments at their natural rate."""
    exam, folder = ship(recipe_file, runs_dir, output)
    attributes, groups = by_attribute(exam, exam.scorer.attributes), by_group(exam)
    result = {"bar": BAR, "bins": BINS, "resamples": RESAMPLES, "attributes": attributes, "groups": groups}
    path = exam.report(folder, "calibration", result)
    table = Table(title="Expected calibration error, held-out rows at their natural rate")
    for heading in ("attribute", "on", "rows", "mean label", "mean score", "error", "floor"):
        table.add_column(heading, justify="left" if heading in ("attribute", "on") else "right")
    shown = [(n, "together", i["together"]) for n, i in attributes.items()]
    shown += [(n, s, m) for n, i in attributes.items() for s, m in i["sources"].items()]
    shown += [(f"{g['attribute']}, {g['source']}", n, m) for g in groups for n, m in g["groups"].items()]
    for name, where, m in shown:
        error = f"{m['error']['value']:.3f} ({m['error']['low']:.3f}–{m['error']['high']:.3f})"
        cells = (f"{m['rows']:,}", f"{m['mean_label']:.3f}", f"{m['mean_score']:.3f}", error, f"{m['floor']:.3f}")
        table.add_row(name, where, *cells)
    Console(width=140).print(table)
    typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
