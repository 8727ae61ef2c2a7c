"""Run the functional suite of ``labels/checks`` against a model, as served.

    python -m training.checks                                    # the model that ships
    python -m training.checks --model runs/minilm/artifact --output checks.json --failures 5

Prints, and writes as JSON, how the calibrated scores do on each functionality: the pass rate at a score of one half,
the pass rate at the suite's own balanced point, and of minimal pairs the share that is ordered rightly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from labels import checks
from labels.checks import Case, Expected, Functionality, Suite
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from training import script
from training.metrics import auc

Floats = npt.NDArray[np.float32]

HALF = 0.5
NOTES = (
    "A case passes if its score is on the right side of the threshold: at or above it for `present`, below it for "
    "`absent`. A pair passes if its first comment scores higher.",
    "At 0.5: what a reader of the scores would try first. Scores are calibrated to how rare an attribute is among "
    "ordinary comments, and those of rare attributes seldom reach it: few `present` cases pass then, and `absent` ones "
    "pass for nothing.",
    "Balanced: for each attribute the score at which as many of the suite's `present` as of its `absent` cases pass. "
    "It is chosen on the very cases that it judges, so it flatters the model slightly, and it is no threshold to "
    "moderate with. AUC and pairs need no threshold.",
    "Each text is scored alone, as a single comment is when it is served.",
    "The cases were written to be hard and stand in no natural proportion: the figures compare models and show what "
    "one does not understand; they do not say how often it errs on a site. A functionality has few cases, and those "
    "of one template are alike: differences of one or two cases mean nothing. A pass proves no ability, a row of "
    "failures proves a gap.",
)


@dataclass(frozen=True)
class Outcome:
    """One case against one expectation: `score` of its text and, of a pair, `lower` of the other."""

    case: Case
    expected: Expected
    score: float
    lower: float | None

    def passes(self, threshold: float) -> bool:
        """Whether the score is on the right side; of a pair, whether the order is right."""
        return self.margin(threshold) >= 0 if self.expected == "present" else self.margin(threshold) > 0

    def margin(self, threshold: float) -> float:
        """How far the score is on the right side; negative on the wrong one."""
        if self.lower is not None:
            return self.score - self.lower
        return self.score - threshold if self.expected == "present" else threshold - self.score


def outcomes(suite: Suite, attributes: Sequence[str], scores: Floats) -> dict[tuple[str, str], list[Outcome]]:
    """(functionality, attribute) -> its cases' outcomes, from scores [texts, attributes] in the suite's order.

    Attributes that the model does not have are left out.
    """
    result: dict[tuple[str, str], list[Outcome]] = {}
    row = 0
    for functionality in suite.functionalities:
        for case in functionality.cases:
            for name, expected in functionality.expect.items():
                if name in attributes:
                    column = attributes.index(name)
                    lower = None if case.lower is None else float(scores[row + 1, column])
                    outcome = Outcome(case, expected, float(scores[row, column]), lower)
                    result.setdefault((functionality.id, name), []).append(outcome)
            row += len(case.texts)
    return result


def balanced_point(present: Floats, absent: Floats) -> float:
    """The score at which the shares of `present` at or above it and of `absent` below it differ least.

    Of several, the one where the shares are highest.
    """
    candidates = np.unique(np.concatenate([present, absent]))
    hits = np.array([(present >= value).mean() for value in candidates])
    passed = np.array([(absent < value).mean() for value in candidates])
    best = np.lexsort((-(hits + passed), np.round(np.abs(hits - passed), 9)))[0]
    return float(candidates[best])


def run(suite: Suite, scorer: Scorer, failures: int = 3) -> dict[str, Any]:
    """Scores every case; what the JSON holds. `failures` bounds the failures kept of each functionality."""
    # One text at a time: int8 activations are scaled per batch, so that a text's neighbours would move its score, and
    # a pair is decided by small differences.
    alone = [scorer.logits([text]) for text in track(suite.texts, "scoring the suite", transient=True)]
    scores = scorer.calibrate(np.concatenate(alone))
    found = outcomes(suite, scorer.attributes, scores)
    attributes = {
        name: _attribute([o for (_, attribute), items in found.items() if attribute == name for o in items])
        for name in scorer.attributes
        if any(attribute == name for _, attribute in found)
    }
    points = {name: item["balanced_point"] for name, item in attributes.items()}
    rows = [
        _row(suite[functionality], name, items, points[name], failures)
        for (functionality, name), items in found.items()
    ]
    aucs = [item["auc"] for item in attributes.values() if item["auc"] is not None]
    pairs = [o for items in found.values() for o in items if o.lower is not None]
    judged = [(o, points[name]) for (_, name), items in found.items() for o in items if o.lower is None]
    # Without both labels an attribute has no balanced point: its cases count at one half only.
    balanced = [(o, point) for o, point in judged if point is not None]
    return {
        "model": {"name": scorer.manifest.name, "version": scorer.manifest.version},
        "suite": {
            "fingerprint": suite.fingerprint,
            "functionalities": len(suite.functionalities),
            "cases": len(suite.cases),
            "templated": sum(case.templated for case in suite.cases),
            "texts": len(suite.texts),
        },
        "overall": {
            "mean_auc": round(float(np.mean(aucs)), 4) if aucs else None,
            "pass_at_half": _rate(o.passes(HALF) for o, _ in judged),
            "pass_at_balanced": _rate(o.passes(point) for o, point in balanced),
            "by_hand_at_balanced": _rate(o.passes(point) for o, point in balanced if not o.case.templated),
            "templated_at_balanced": _rate(o.passes(point) for o, point in balanced if o.case.templated),
            "pairs": len(pairs),
            "pair_accuracy": _rate(o.passes(HALF) for o in pairs),
        },
        "attributes": attributes,
        "functionalities": rows,
        "notes": list(NOTES),
    }


def _rate(passed: Iterable[bool]) -> float | None:
    values = list(passed)
    return round(sum(values) / len(values), 4) if values else None


def _attribute(items: Sequence[Outcome]) -> dict[str, Any]:
    present = [o for o in items if o.expected == "present"]
    absent = [o for o in items if o.expected == "absent"]
    pairs = [o for o in items if o.lower is not None]
    values = np.array([o.score for o in (*present, *absent)], np.float32)
    labels = np.array([1.0] * len(present) + [0.0] * len(absent), np.float32)
    area = auc(labels, values) if len(labels) else None
    both = bool(present and absent)
    point = balanced_point(values[: len(present)], values[len(present) :]) if both else None
    return {
        "present": len(present),
        "absent": len(absent),
        "auc": None if area is None else round(area, 4),
        "present_at_half": _rate(o.passes(HALF) for o in present),
        "absent_at_half": _rate(o.passes(HALF) for o in absent),
        "balanced_point": point,
        "present_at_balanced": None if point is None else _rate(o.passes(point) for o in present),
        "absent_at_balanced": None if point is None else _rate(o.passes(point) for o in absent),
        "pairs": len(pairs),
        "pair_accuracy": _rate(o.passes(HALF) for o in pairs),
    }


def _row(
    functionality: Functionality, attribute: str, items: Sequence[Outcome], point: float | None, failures: int
) -> dict[str, Any]:
    threshold = HALF if point is None else point
    failed = sorted((o for o in items if not o.passes(threshold)), key=lambda o: o.margin(threshold))
    paired = functionality.paired
    return {
        "group": functionality.group,
        "functionality": functionality.id,
        "title": functionality.title,
        "attribute": attribute,
        "expected": functionality.expect[attribute],
        "cases": len(items),
        "templated": sum(o.case.templated for o in items),
        "pass_at_half": None if paired else _rate(o.passes(HALF) for o in items),
        "pass_at_balanced": None if paired or point is None else _rate(o.passes(point) for o in items),
        "pair_accuracy": _rate(o.passes(HALF) for o in items) if paired else None,
        "failed": len(failed),
        "failures": [_failure(o) for o in failed[:failures]],
    }


def _failure(outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": outcome.case.id,
        "text": outcome.case.text,
        "score": round(outcome.score, 4),
    }
    if outcome.lower is not None:
        shown |= {"lower": outcome.case.lower, "lower_score": round(outcome.lower, 4)}
    return shown


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _shown(failure: dict[str, Any]) -> str:
    if "lower" in failure:
        return f"{failure['score']:.2f} {failure['text']} ≤ {failure['lower_score']:.2f} {failure['lower']}"
    return f"{failure['score']:.2f} {failure['text']}"


def by_functionality(result: dict[str, Any]) -> Table:
    """Pass rates with the worst failures, one line an expectation."""
    table = Table(title="Pass rates by functionality, and the worst failures at the balanced point")
    for heading in ("functionality", "expected", "n", "≥ 0.5", "balanced", "pairs", "failures"):
        right = heading in ("n", "≥ 0.5", "balanced", "pairs")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    group = None
    for row in result["functionalities"]:
        if group not in (None, row["group"]):
            table.add_section()
        group = row["group"]
        table.add_row(
            row["functionality"],
            f"{row['attribute']} {row['expected']}",
            str(row["cases"]),
            _percent(row["pass_at_half"]),
            _percent(row["pass_at_balanced"]),
            _percent(row["pair_accuracy"]),
            "\n".join(_shown(failure) for failure in row["failures"]),
        )
    return table


def by_attribute(result: dict[str, Any]) -> Table:
    """AUC, balanced point and pass rates of each attribute."""
    table = Table(title="Attributes over the whole suite")
    for heading in (
        "attribute",
        "present",
        "absent",
        "AUC",
        "passed at 0.5",
        "balanced point",
        "passed there",
        "pairs",
    ):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    for name, item in result["attributes"].items():
        table.add_row(
            name,
            str(item["present"]),
            str(item["absent"]),
            "" if item["auc"] is None else f"{item['auc']:.3f}",
            f"{_percent(item['present_at_half'])} / {_percent(item['absent_at_half'])}",
            "" if item["balanced_point"] is None else f"{item['balanced_point']:.3f}",
            f"{_percent(item['present_at_balanced'])} / {_percent(item['absent_at_balanced'])}",
            f"{_percent(item['pair_accuracy'])} of {item['pairs']}" if item["pairs"] else "",
        )
    return table


def main(
    model: Annotated[Path | None, typer.Option(help="artifact directory; the model that ships if left out")] = None,
    output: Annotated[Path | None, typer.Option(help="file for the results as JSON")] = None,
    failures: Annotated[int, typer.Option(min=0, help="worst failures shown and kept of each functionality")] = 3,
) -> None:
    """Run the functional suite against a model and print pass rates with failures."""
    artifact = Artifact.load(model)
    result = run(checks.load(), Scorer(artifact), failures)
    result["manifest_sha256"] = sha256(artifact.path / MANIFEST)
    if output is not None:
        output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console = Console(markup=False, highlight=False)
    console.print(by_functionality(result))
    console.print(by_attribute(result))
    overall, suite = result["overall"], result["suite"]
    console.print(
        f"{suite['functionalities']} functionalities, {suite['cases']} cases ({suite['templated']} from templates): "
        f"{_percent(overall['pass_at_half'])} pass at 0.5, {_percent(overall['pass_at_balanced'])} at the balanced "
        f"points, {_percent(overall['pair_accuracy'])} of {overall['pairs']} pairs are ordered rightly."
    )
    for note in NOTES:
        console.print(f"- {note}")
    if output is not None:
        console.print(f"written to {output}")


if __name__ == "__main__":
    script.run(main)
