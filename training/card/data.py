"""What the model was made from, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labels.sources import SOURCES
from training.card.markdown import table


def data(evaluation: Mapping[str, Any]) -> str:
    """Sources with licences and counts."""
    rows = []
    for name, info in evaluation["data"].items():
        source = SOURCES[name]
        counts = ("evaluation only",) * 3 if info["evaluation_only"] else (info["train"], info["dev"], info["test"])
        numbers = [count if isinstance(count, str) else f"{count:,}" for count in counts]
        title = f"[{source.title}]({source.home})" if source.home else source.title
        rows.append((f"{title} (`{name}`)", info["licence"], *numbers, source.citation))
    out = [f"- {s.title} (`{s.name}`): {s.left_out}." for s in SOURCES.values() if s.left_out]
    return (
        "## Data and licences\n\n"
        + table(("source", "licence", "train", "development", "test", "citation"), rows)
        + "\n\nA comment that several sets hold is one row, counted for the set that is named first in the recipe, "
        "with the labels and\nmarks of all."
        + "\n\nKnown and left out:\n\n"
        + "\n".join(out)
        + "\n\nA row that repeats a text of an evaluation-only set, exactly or nearly, was dropped before splitting "
        "(" + ", ".join(f"{n} {i['leaked']}" for n, i in evaluation["data"].items() if i["leaked"]) + ")."
    )


def made(evaluation: Mapping[str, Any]) -> str:
    """The recipe, and the versions behind it."""
    recipe, versions = evaluation["recipe"], evaluation["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    files = " ".join(f"training/recipes/{name}.toml" for name in evaluation["stages"])
    *before, last = evaluation["stages"]
    stages = f"Recipe `{last}`" + (
        f", from the network of {', '.join(f'`{name}`' for name in before)}" if before else ""
    )
    command = f'RECIPE="{files}"' if before else f"RECIPE={files}"
    return f"## How it was made\n\n{stages}, seed {recipe['seed']}: `make train {command}`. Versions: {packages}."
