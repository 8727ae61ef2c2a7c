"""Model and moderators together: accuracy when the least certain comments go to people, by review budget.

    python -m training.review training/recipes/minilm-5.toml --output docs/evaluation

Writes review.json. The measure is oracle-model collaborative accuracy (Kivlichan, Lin, Liu, Vasserman 2021: Measuring
and Improving Model-Moderator Collaboration using Uncertainty Estimation, WOAH): the share of comments decided rightly
if a budget's share of them, those that the model is least certain of, is decided by people who never err, and the
rest by the model alone.
"""

from __future__ import annotations

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
from training.exam import Exam, ship

Floats = npt.NDArray[np.floating]

BUDGETS = (0.0, 0.01, 0.05, 0.1)
ON = (
    ("toxicity", "civil_comments"),
    ("report_worthy", "civil_comments_full"),
    ("incivility", "reddit_incivility"),
    ("report_worthy", "cmv_moderation"),
)
THRESHOLD = 0.5  # of a calibrated score: the likelier side
RESAMPLES = 500


def least_certain(scores: Floats, budget: float) -> npt.NDArray[np.bool_]:
    """Which scores [rows] go to people: the share `budget` (rounded down) that is nearest to THRESHOLD."""
    order = np.argsort(np.abs(scores - THRESHOLD), kind="stable")
    chosen = np.zeros(len(scores), np.bool_)
    chosen[order[: int(budget * len(scores))]] = True
    return chosen


def together(truth: npt.NDArray[np.bool_], scores: Floats, budget: float, seed: int) -> dict[str, Any]:
    """Accuracy, precision and recall of model and people together, with 95 % intervals.

    `random` is the accuracy if as many comments, taken at random, went to people.
    """
    reviewed, flagged = least_certain(scores, budget), scores >= THRESHOLD
    decided = np.where(reviewed, truth, flagged)
    right, hits = decided == truth, decided & truth
    weights = np.concatenate([np.ones((1, len(truth)), np.int64), bootstrap.draws(len(truth), RESAMPLES, seed)])
    alone = float((flagged == truth).mean())
    result: dict[str, Any] = {"budget": budget, "reviewed": int(reviewed.sum())}
    for name, part, of in (
        ("accuracy", weights @ right, weights.sum(axis=1)),
        ("precision", weights @ hits, weights @ decided),
        ("recall", weights @ hits, weights @ truth),
    ):
        values = np.divide(part, of, out=np.full(len(weights), np.nan), where=of > 0)
        result[name] = asdict(Interval.of(float(values[0]), values[1:])) if of[0] else None
    share = reviewed.mean()
    return result | {"random": round(float(alone + (1 - alone) * share), 4)}


def measured(exam: Exam) -> list[dict[str, Any]]:
    """One item for each of ON that the run holds: rates and figures by budget."""
    found = []
    for name, source in ON:
        if name not in exam.scorer.attributes or not exam.holds(source):
            continue
        column, rows = exam.column(name), exam.rows(source)
        rows = rows.select(~np.isnan(rows.labels[:, column]))
        truth = rows.labels[:, column] >= 0.5
        scores = exam.scores(rows.texts, f"scoring {source}")[:, column]
        found.append(
            {
                "attribute": name,
                "source": source,
                "rows": len(truth),
                "positives": int(truth.sum()),
                "never_flagging": round(float(1 - truth.mean()), 4),
                "budgets": [together(truth, scores, budget, exam.recipe.seed) for budget in BUDGETS],
            }
        )
    return found


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure model and moderators together on held-out comments."""
    exam, folder = ship(recipe_file, runs_dir, output)
    found = measured(exam)
    path = exam.report(folder, "review", {"threshold": THRESHOLD, "resamples": RESAMPLES, "sets": found})
    table = Table(title="Accuracy when the least certain go to people")
    for heading in ("attribute", "set", "budget", "accuracy", "if at random", "precision", "recall"):
        table.add_column(heading, justify="left" if heading in ("attribute", "set") else "right")
    for item in found:
        for row in item["budgets"]:
            cells = [f"{row[k]['value']:.3f}" if row[k] else "–" for k in ("precision", "recall")]
            accuracy = f"{row['accuracy']['value']:.3f}"
            table.add_row(
                item["attribute"], item["source"], f"{row['budget']:.0%}", accuracy, f"{row['random']:.3f}", *cells
            )
    Console(width=120).print(table)
    typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
