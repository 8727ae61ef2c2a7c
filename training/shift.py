"""What recalibration from a site's decisions gains, by how many there are.

    python -m training.shift training/recipes/minilm-5.toml --output docs/evaluation

Writes shift.json. Sets with a base rate or a kind of comment of their own stand for sites: their **development** rows
are the decisions that training.recalibrate would be given, in random draws, and calibration error is measured on their
test rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from training import script
from training.exam import Exam, ship
from training.logistic import Line
from training.metrics import calibration_error
from training.recalibrate import line

ON = (
    ("report_worthy", "cmv_moderation"),
    ("toxicity", "wikipedia_six_labels"),
    ("incivility", "ucc_train_healthy"),
    ("incivility", "mupid"),
)
COUNTS = (100, 200, 500)
DRAWS = 50


def measured(exam: Exam, attribute: str, source: str) -> dict[str, Any]:
    """Calibration error on the test rows: before, and the mean after draws of decisions by their number."""
    column = exam.column(attribute)
    head = exam.scorer.manifest.attributes[column]
    old = Line(head.slope, head.intercept)
    dev, test = exam.development(source), exam.rows(source)
    dev, test = (rows.select(~np.isnan(rows.labels[:, column])) for rows in (dev, test))
    there, here = (
        exam.kept.logits(rows.texts, f"scoring {source}")[:, column].astype(np.float64) for rows in (dev, test)
    )
    decided, truth = dev.labels[:, column], test.labels[:, column]
    generator = np.random.default_rng(exam.recipe.seed)
    result: dict[str, Any] = {
        "attribute": attribute,
        "source": source,
        "rows": len(test),
        "mean_label": round(float(truth.mean()), 4),
        "before": round(calibration_error(truth, old.predict(here)), 4),
        "after": {},
    }
    for count in (*(n for n in COUNTS if n < len(dev)), len(dev)):
        errors, kinds = [], []
        for _ in range(DRAWS if count < len(dev) else 1):
            chosen = generator.choice(len(dev), count, replace=False)
            found = line(there[chosen], decided[chosen], np.ones(count), old)
            errors.append(calibration_error(truth, (found[0] if found else old).predict(here)))
            kinds.append(found[1] if found else "nothing")
        result["after"][str(count)] = {
            "error": round(float(np.mean(errors)), 4),
            "worst_of_ten": round(float(np.quantile(errors, 0.9)), 4),
            "fitted": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        }
    return result


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure what recalibration gains."""
    exam, folder = ship(recipe_file, runs_dir, output)
    sets = [measured(exam, a, s) for a, s in ON if a in exam.scorer.attributes and exam.holds(s)]
    path = exam.report(folder, "shift", {"draws": DRAWS, "sets": sets})
    table = Table(title="Calibration error on test rows, by decisions used")
    for heading in ("attribute", "as a site", "before", "after"):
        table.add_column(heading)
    for item in sets:
        after = ", ".join(f"{count}: {found['error']:.3f}" for count, found in item["after"].items())
        table.add_row(item["attribute"], item["source"], f"{item['before']:.3f}", after)
    Console(width=120).print(table)
    typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
