"""HateCheck's 29 functionalities, beside what was published of other models.

    python -m training.hatecheck training/recipes/minilm-5.toml --output docs/evaluation

Writes hatecheck.json. A case counts as hateful at a threshold on `identity_attack`: once at one half, once at the
score that gives the best macro-F1 on **development** rows of the hate corpora, which hold as much hate as HateCheck
does, unlike ordinary comments. No threshold is chosen on HateCheck.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from labels.sources import SOURCES
from labels.sources.hate import HATE
from training import script
from training.exam import Exam, ship
from training.published import published

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

ATTRIBUTE, SOURCE = "identity_attack", "hatecheck"
HALF = 0.5
MACRO_BAR, OTHER_BAR = 0.70, 0.55  # macro-F1, and accuracy on the cases that are not hateful


def macro_f1(truth: Mask, flagged: Mask) -> float:
    """The mean of both classes' F1; a class that is neither there nor predicted counts as 0."""
    scores = []
    for positive in (True, False):
        hits = int(((truth == positive) & (flagged == positive)).sum())
        both = int((truth == positive).sum() + (flagged == positive).sum())
        scores.append(2 * hits / both if both else 0.0)
    return sum(scores) / 2


def best_threshold(truth: Mask, scores: Floats) -> float:
    """The threshold with the highest macro-F1 among hundredths from 0.01 to 0.99, the lowest of equals."""
    grid = np.arange(1, 100) / 100
    return float(grid[int(np.argmax([macro_f1(truth, scores >= value) for value in grid]))])


def chosen(exam: Exam) -> tuple[float, dict[str, int]]:
    """The threshold from development rows of the hate corpora, and how many rows of each there were."""
    truths, scores, counts = [], [], {}
    for source in HATE:
        if source.evaluation_only or ATTRIBUTE not in source.attributes or not exam.holds(source.name):
            continue
        rows, column = exam.development(source.name), exam.column(ATTRIBUTE)
        rows = rows.select(~np.isnan(rows.labels[:, column]))
        truths.append(rows.labels[:, column] >= 0.5)
        scores.append(exam.scores(rows.texts, f"scoring {source.name}")[:, column])
        counts[source.name] = len(rows)
    return best_threshold(np.concatenate(truths), np.concatenate(scores)), counts


def overall(truth: Mask, flagged: Mask) -> dict[str, float]:
    """Accuracy, macro-F1, and accuracy on hateful and on other cases."""
    right = truth == flagged
    return {
        "accuracy": round(float(right.mean()), 4),
        "macro_f1": round(macro_f1(truth, flagged), 4),
        "hateful": round(float(right[truth].mean()), 4),
        "other": round(float(right[~truth].mean()), 4),
    }


def measured(exam: Exam, data_dir: Path | None = None) -> dict[str, Any]:
    """Overall figures, and accuracy by functionality and by target group, at both thresholds."""
    rows = exam.rows(SOURCE)
    cells = exam.cells(rows, ("functionality", "target_ident", "case_templ"), data_dir)
    column = exam.column(ATTRIBUTE)
    truth = rows.labels[:, column] >= 0.5
    scores = exam.scores(rows.texts, f"scoring {SOURCE}")[:, column]
    threshold, counts = chosen(exam)
    points = {"half": HALF, "development": threshold}
    flags = {name: scores >= value for name, value in points.items()}
    found = {name: overall(truth, flagged) for name, flagged in flags.items()}
    functionalities = np.array(cells["functionality"])
    # The published accuracies by group are of the cases from templates, which are the same for every group.
    templated = np.array(["IDENTITY" in (text or "") for text in cells["case_templ"]], dtype=np.bool_)
    groups = np.array([group or "" for group in cells["target_ident"]])
    return {
        "attribute": ATTRIBUTE,
        "thresholds": points,
        "chosen_on": counts,
        "bars": {"macro_f1": MACRO_BAR, "other": OTHER_BAR},
        "met": {
            "macro_f1": found["development"]["macro_f1"] >= MACRO_BAR,
            "other": found["development"]["other"] >= OTHER_BAR,
        },
        "overall": found,
        "functionalities": {
            name: {"cases": int(mine.sum()), "hateful": bool(truth[mine][0])} | _accuracies(truth, flags, mine)
            for name in published(SOURCE)["functionalities"]
            if (mine := functionalities == name).any()
        },
        "targets": {
            name: {"cases": int(mine.sum())} | _accuracies(truth, flags, mine)
            for name in published(SOURCE)["targets"]
            if (mine := templated & (groups == name)).any()
        },
    }


def _accuracies(truth: Mask, flags: Mapping[str, Mask], mine: Mask) -> dict[str, float]:
    return {name: round(float((flagged == truth)[mine].mean()), 4) for name, flagged in flags.items()}


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="directory with the data sets")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Run HateCheck and print it beside the published figures."""
    exam, folder = ship(recipe_file, runs_dir, output)
    result = measured(exam, data_dir)
    path = exam.report(folder, "hatecheck", result)
    theirs = published(SOURCE)
    table = Table(title=f"{SOURCES[SOURCE].title}: accuracy in per cent")
    for heading in ("functionality", "cases", "ours", "at 0.5", *theirs["models"]):
        table.add_column(heading, justify="left" if heading == "functionality" else "right")
    for name, item in result["functionalities"].items():
        title, *figures = theirs["functionalities"][name]
        ours = [f"{100 * item[point]:.1f}" for point in ("development", "half")]
        table.add_row(title, str(item["cases"]), *ours, *(f"{value:.1f}" for value in figures))
    console = Console(width=130)
    console.print(table)
    console.print(f"thresholds {result['thresholds']}: {result['overall']}; targets {result['targets']}")
    typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
