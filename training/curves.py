"""Training curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss and development AUC over steps, as PNG, from the Trainer's log history."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis, key, title in (
        (left, "loss", "training loss"),
        (left, "eval_loss", "development loss"),
        (right, "eval_auc", "mean development AUC"),
    ):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        axis.plot(*zip(*points, strict=True) if points else ([], []), label=title, marker=".")
    for axis in (left, right):
        axis.set_xlabel("step")
        axis.legend()
    figure.savefig(path, dpi=120)
