"""Pictures of an evaluation: AUC beside its baselines, and reliability curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COLUMNS = 4


def auc(measurements: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One line a measurement: our AUC with its interval, and those of its baselines, as PNG."""
    figure = Figure(figsize=(9, 1 + 0.28 * len(measurements)), layout="constrained")
    axis = figure.subplots()
    for place, item in enumerate(reversed(measurements)):
        value = item["auc"]
        axis.plot([value["low"], value["high"]], [place, place], color="tab:blue", linewidth=2)
        axis.plot(value["value"], place, "o", color="tab:blue", label="this model" if place == 0 else None)
        for name, marker in (("words", "x"), ("length", "|")):
            if name in item["rivals"]:
                label = {"words": "TF-IDF + logistic regression", "length": "length alone"}[name]
                axis.plot(
                    item["rivals"][name]["auc"], place, marker, color="tab:gray", label=label if place == 0 else None
                )
    axis.set_yticks(range(len(measurements)), [f"{m['attribute']} — {m['source']}" for m in reversed(measurements)])
    axis.axvline(0.5, color="lightgray", zorder=0)
    axis.set_xlabel("ROC AUC, with 95 % bootstrap interval")
    axis.legend(loc="lower left")
    figure.savefig(path, dpi=100)


def reliability(measurements: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Mean label over mean score in ten equal-count bins, a panel a measurement, as PNG."""
    rows = max(1, -(-len(measurements) // COLUMNS))
    figure = Figure(figsize=(3 * COLUMNS, 3 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis, item in zip(axes, measurements, strict=False):
        scores, truths, _ = zip(*item["reliability"], strict=True)
        top = max(*scores, *truths, 0.05) * 1.05
        axis.plot([0, top], [0, top], color="lightgray")
        axis.plot(scores, truths, marker="o", markersize=3)
        axis.set_title(f"{item['attribute']}\n{item['source']}", fontsize=9)
    for axis in axes[len(measurements) :]:
        axis.set_axis_off()
    figure.supxlabel("mean score")
    figure.supylabel("share of annotators")
    figure.savefig(path, dpi=80)
