"""The model beside its peers on the same held-out rows.

    python benchmarks/quality.py training/recipes/minilm-5.toml --output docs/evaluation

Writes peers.json, from the measurements of evaluation.json in the same directory (run training.evaluate first), which
hold TF-IDF with logistic regression and length alone, and the scores of alt-profanity-check
(https://github.com/dimitrismistriotis/alt-profanity-check), a word model that is installed in practice, on the same
rows. It gives one score, which is compared with ours for every attribute that a reader might use it for.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import profanity_check
from rich.console import Console
from rich.table import Table

from training import bootstrap
from training.bootstrap import Interval
from training.evaluate import sets
from training.exam import Exam, ExamError, ship
from training.published import published

Floats = npt.NDArray[np.floating]

PEER = "alt-profanity-check"
# What a score of offensive language can stand in for. The subtle and the good attributes it was not made for.
COMPARED = ("toxicity", "incivility", "report_worthy", "insult", "profanity", "hostile", "attack_on_commenter")
RESAMPLES = 500


def profanity(texts: Sequence[str]) -> Floats:
    """The peer's probability of offensive language [texts]."""
    scores: Floats = np.asarray(profanity_check.predict_prob(list(texts)), np.float64)
    return scores


def compared(exam: Exam, evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """For each measurement of the evaluation that can be compared: the AUCs of ours and of every peer, and the gain.

    Raises ExamError if the evaluation is of other rows.
    """
    measurements = {(m["source"], m["attribute"]): m for m in evaluation["measurements"]}
    found = []
    data = exam.directory / "data"
    for kind, rows in sets(data, exam.scorer.attributes, exam.recipe.evaluate, exam.recipe.seed):
        source = rows.sources[0]
        wanted = [name for name in COMPARED if (source, name) in measurements]
        if not wanted:
            continue
        theirs, ours = profanity(rows.texts), exam.scores(rows.texts, f"scoring {source}")
        for name in wanted:
            column, m = exam.column(name), measurements[source, name]
            known = ~np.isnan(rows.labels[:, column])
            if int(known.sum()) != m["rows"]:
                raise ExamError(
                    f"evaluation.json measures {name} on {m['rows']} rows of {source}, the run has {known.sum()}"
                )
            truth = rows.labels[known, column] >= 0.5
            weights = bootstrap.draws(len(truth), RESAMPLES, exam.recipe.seed)
            weights = np.concatenate([np.ones((1, len(truth)), np.int64), weights])
            mine, other = (bootstrap.weighted_auc(truth, s[known], weights) for s in (ours[:, column], theirs))
            gain = mine - other
            found.append(
                {
                    "source": source,
                    "kind": kind,
                    "attribute": name,
                    "rows": len(truth),
                    "positives": int(truth.sum()),
                    "ours": m["auc"],
                    "words": m["rivals"].get("words", {}).get("auc"),
                    "length": m["rivals"].get("length", {}).get("auc"),
                    "profanity": round(float(other[0]), 4),
                    "gain": asdict(Interval.of(float(gain[0]), gain[1:])),
                }
            )
    return found


def beside_published(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Our AUCs of the Unhealthy Comments attributes beside the published ones, which are of other rows."""
    found = []
    for name, (theirs,) in published("ucc")["attributes"].items():
        m = next((m for m in evaluation["measurements"] if (m["source"], m["attribute"]) == ("ucc_val", name)), None)
        if m is not None:
            found.append(
                {"attribute": name, "rows": m["rows"], "positives": m["positives"], "ours": m["auc"], "bert": theirs}
            )
    return found


def main() -> None:
    """Prints and writes the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--runs-dir", type=Path)
    parser.add_argument("--output", type=Path, help="directory of evaluation.json, and for the JSON")
    options = parser.parse_args()
    exam, folder = ship(options.recipe, options.runs_dir, options.output)
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    if evaluation["manifest_sha256"] != exam.stamp()["manifest_sha256"]:
        raise ExamError("evaluation.json is of another model: run `python -m training.evaluate` first")
    rows = compared(exam, evaluation)
    table = Table(title="ROC AUC on the same rows")
    for heading in ("attribute", "set", "rows", "ours", PEER, "gain", "TF-IDF + LR", "length"):
        table.add_column(heading, justify="left" if heading in ("attribute", "set") else "right")
    for item in rows:
        gain = f"{item['gain']['value']:+.3f} ({item['gain']['low']:+.3f}–{item['gain']['high']:+.3f})"
        others = ["–" if item[key] is None else f"{item[key]:.3f}" for key in ("words", "length")]
        cells = (f"{item['ours']['value']:.3f}", f"{item['profanity']:.3f}", gain, *others)
        table.add_row(item["attribute"], item["source"], f"{item['rows']:,}", *cells)
    console = Console(width=140)
    console.print(table)
    result = {
        "peer": {"name": PEER, "version": version(PEER)},
        "resamples": RESAMPLES,
        "sets": rows,
        "published": beside_published(evaluation),
    }
    console.print(f"written to {exam.report(folder, 'peers', result)}")


if __name__ == "__main__":
    main()
