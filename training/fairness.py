"""Whether the scores treat comments about one group as they treat others.

    python -m training.fairness training/recipes/minilm-5.toml --output docs/evaluation

Writes fairness.json. The three AUCs by group are those of Borkan, Dixon, Sorensen, Thain, Vasserman (2019): Nuanced
Metrics for Measuring Unintended Bias, WWW Companion. Subgroup: within the comments that mention the group. BPSN:
toxic comments that do not mention it against harmless ones that do; low where harmless mentions are raised. BNSP:
harmless comments that do not against toxic ones that do; low where toxic mentions are missed. The bias metric is that
of Jigsaw's 2019 contest on these data: a quarter each of the overall AUC and of the three groups' AUCs, each of these
as a power mean over the groups with exponent -5, which the worst groups dominate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from labels.identities import COLUMNS, MENTIONS
from training import bootstrap, script
from training.bootstrap import Interval
from training.exam import Exam, ship
from training.measure import FEWEST

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

ATTRIBUTE = "toxicity"
ANNOTATED, MENTIONED, CASES = "civil_comments_full", "civil_comments", "hatecheck"
KINDS = ("subgroup", "bpsn", "bnsp")
EXPONENT = -5.0
RESAMPLES = 300
GAP = 0.05  # no target group of HateCheck may lie further below the mean


def power_mean(values: Floats, exponent: float = EXPONENT) -> Floats:
    """The power mean over the first axis."""
    result: Floats = np.mean(np.power(values, exponent), axis=0) ** (1 / exponent)
    return result


def masks(truth: Mask, group: Mask) -> dict[str, Mask]:
    """The rows [rows] that each of KINDS compares, for the rows of a group and the others as background."""
    return {"subgroup": group, "bpsn": group ^ truth, "bnsp": group == truth}


def bias(truth: Mask, scores: Floats, groups: Mapping[str, Mask], seed: int) -> dict[str, Any]:
    """AUCs by group and the bias metric of scores [rows], all with 95 % intervals over resampled rows.

    A group with fewer than FEWEST toxic or harmless rows is under `too_few`, with both numbers.
    """
    weights = np.concatenate([np.ones((1, len(truth)), np.int64), bootstrap.draws(len(truth), RESAMPLES, seed)])
    overall = bootstrap.weighted_auc(truth, scores, weights)
    result: dict[str, Any] = {
        "rows": len(truth),
        "positives": int(truth.sum()),
        "overall": asdict(Interval.of(float(overall[0]), overall[1:])),
        "groups": {},
        "too_few": {},
    }
    found: dict[str, list[Floats]] = {kind: [] for kind in KINDS}
    for name, group in groups.items():
        yes, no = int((group & truth).sum()), int((group & ~truth).sum())
        if min(yes, no) < FEWEST:
            result["too_few"][name] = [yes, no]
            continue
        item: dict[str, Any] = {"positives": yes, "negatives": no}
        for kind, mask in masks(truth, group).items():
            values = bootstrap.weighted_auc(truth[mask], scores[mask], weights[:, mask])
            found[kind].append(values)
            item[kind] = asdict(Interval.of(float(values[0]), values[1:]))
        result["groups"][name] = item
    if result["groups"]:
        means = {kind: power_mean(np.stack(values)) for kind, values in found.items()}
        final = (overall + sum(means.values())) / 4
        result["power_means"] = {k: asdict(Interval.of(float(v[0]), v[1:])) for k, v in means.items()}
        result["bias_metric"] = asdict(Interval.of(float(final[0]), final[1:]))
    return result


def annotated(exam: Exam, data_dir: Path | None) -> dict[str, Any]:
    """The bias metric by the data set's own identity columns, on the rows that annotators judged for identity."""
    rows = exam.rows(ANNOTATED)
    cells = exam.cells(rows, COLUMNS, data_dir)
    judged = np.array([value is not None for value in cells[COLUMNS[0]]], dtype=np.bool_)
    index = np.flatnonzero(judged)
    column = exam.column(ATTRIBUTE)
    truth = rows.labels[index, column] >= 0.5
    scores = exam.scores(rows.texts, f"scoring {ANNOTATED}")[index, column]
    groups = {name: np.array([(cells[name][i] or 0) >= 0.5 for i in index], dtype=np.bool_) for name in COLUMNS}
    return {"source": ANNOTATED} | bias(truth, scores, groups, exam.recipe.seed)


def mentions(exam: Exam) -> dict[str, Any]:
    """The bias metric by our own words for groups, on all held-out rows: boosted ones too, or groups are too small."""
    rows = exam.rows(MENTIONED, natural=False)
    column = exam.column(ATTRIBUTE)
    rows = rows.select(~np.isnan(rows.labels[:, column]))
    scores = exam.scores(rows.texts, f"scoring {MENTIONED}")[:, column]
    groups = {
        name: np.array([bool(pattern.search(text)) for text in rows.texts], dtype=np.bool_)
        for name, pattern in MENTIONS.items()
    }
    found = bias(rows.labels[:, column] >= 0.5, scores, groups, exam.recipe.seed)
    return {"source": MENTIONED, "natural": int(rows.natural.sum())} | found


def targets(exam: Exam, data_dir: Path | None) -> dict[str, Any]:
    """AUC of hateful against other cases of HateCheck, by target group, for two attributes.

    `met` is whether no group lies more than GAP below the groups' mean.
    """
    rows = exam.rows(CASES)
    groups = exam.cells(rows, ("target_ident",), data_dir)["target_ident"]
    result: dict[str, Any] = {"source": CASES, "gap": GAP, "attributes": {}}
    scores = exam.scores(rows.texts, f"scoring {CASES}")
    for name in ("identity_attack", "toxicity"):
        if name not in exam.scorer.attributes:
            continue
        column = exam.column(name)
        truth = rows.labels[:, column] >= 0.5
        found: dict[str, dict[str, Any]] = {}
        for group in sorted({group for group in groups if group}):
            mine = np.array([other == group for other in groups], dtype=np.bool_)
            weights = bootstrap.draws(int(mine.sum()), RESAMPLES, exam.recipe.seed)
            weights = np.concatenate([np.ones((1, weights.shape[1]), np.int64), weights])
            values = bootstrap.weighted_auc(truth[mine], scores[mine, column], weights)
            hateful, other = scores[mine & truth, column], scores[mine & ~truth, column]
            found[group] = {
                "rows": int(mine.sum()),
                "auc": asdict(Interval.of(float(values[0]), values[1:])),
                "mean_hateful": round(float(hateful.mean()), 4),
                "mean_other": round(float(other.mean()), 4),
            }
        mean = float(np.mean([item["auc"]["value"] for item in found.values()]))
        worst = min(found, key=lambda group: found[group]["auc"]["value"])
        below = mean - found[worst]["auc"]["value"]
        result["attributes"][name] = {
            "groups": found,
            "mean": round(mean, 4),
            "worst": worst,
            "below_mean": round(below, 4),
            "met": below <= GAP,
        }
    return result


def measured(exam: Exam, data_dir: Path | None = None) -> dict[str, Any]:
    """Every part whose data the run holds."""
    result: dict[str, Any] = {"attribute": ATTRIBUTE, "exponent": EXPONENT, "resamples": RESAMPLES}
    if ATTRIBUTE in exam.scorer.attributes:
        if exam.holds(ANNOTATED):
            result["annotated"] = annotated(exam, data_dir)
        if exam.holds(MENTIONED):
            result["mentions"] = mentions(exam)
    if exam.holds(CASES):
        result["targets"] = targets(exam, data_dir)
    return result


def shown(title: str, item: Mapping[str, Any]) -> Table:
    """AUCs by group, one line each."""
    table = Table(title=title)
    for heading in ("group", "toxic", "harmless", *KINDS):
        table.add_column(heading, justify="left" if heading == "group" else "right")
    for name, group in item["groups"].items():
        cells = [f"{group[kind]['value']:.3f} ({group[kind]['low']:.3f}–{group[kind]['high']:.3f})" for kind in KINDS]
        table.add_row(name, str(group["positives"]), str(group["negatives"]), *cells)
    return table


def main(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE")],
    runs_dir: Annotated[Path | None, typer.Option(help="directory of the runs")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="directory with the data sets")] = None,
    output: Annotated[Path | None, typer.Option(help="directory for the JSON")] = None,
) -> None:
    """Measure bias by group on held-out comments."""
    exam, folder = ship(recipe_file, runs_dir, output)
    result = measured(exam, data_dir)
    path = exam.report(folder, "fairness", result)
    console = Console(width=130)
    for part in ("annotated", "mentions"):
        if part in result:
            item = result[part]
            console.print(shown(f"{ATTRIBUTE} on {item['source']}, groups as {part}", item))
            if "bias_metric" in item:
                console.print(f"overall AUC {item['overall']['value']:.3f}, bias metric {item['bias_metric']}")
            console.print(f"too few: {item['too_few']}")
    for name, item in result.get("targets", {}).get("attributes", {}).items():
        aucs = ", ".join(f"{group} {values['auc']['value']:.3f}" for group, values in item["groups"].items())
        verdict = "met" if item["met"] else "MISSED"
        console.print(f"HateCheck, {name}: {aucs}; worst {item['below_mean']:.3f} below the mean: {verdict}")
    typer.echo(f"written to {path}")


if __name__ == "__main__":
    script.run(main)
