"""Runs that start from another run's network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.artifact import sha256
from training import corpus, record
from training.corpus import Corpus
from training.network import WEIGHTS
from training.recipe import Recipe, RecipeError


def folders(runs: Path, recipe: Recipe) -> list[Path]:
    """The folders of the runs that a recipe starts from, the nearest first.

    Raises FileNotFoundError if one is not prepared, RecipeError if they lead back to one of them.
    """
    found: list[Path] = []
    start = recipe.train.start
    while start is not None:
        if start == recipe.name or runs / start in found:
            raise RecipeError(f"{recipe.name}: the runs that it starts from lead back to {start}")
        found.append(runs / start)
        start = record.read(found[-1] / "data", "prepare")["recipe"]["train"].get("start")
    return found


def partner(recipe: Recipe, before: list[Path]) -> Path | None:
    """Which of the runs before a recipe's `mix` takes weights of; None if of none.

    Raises RecipeError if the one that it names is not among them.
    """
    if not recipe.train.mix:
        return None
    for folder in before:
        if folder.name == (recipe.train.mix_with or recipe.train.start):
            return folder
    known = ", ".join(folder.name for folder in before)
    raise RecipeError(f"train.mix_with: {recipe.train.mix_with!r} is not among the runs before this one: {known}")


def weights(directory: Path) -> str:
    """SHA-256 of the weights of the network that a run has left in its folder.

    Raises FileNotFoundError that says which recipe to train first.
    """
    path = directory / "network" / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: train the recipe {directory.name!r} first")
    return sha256(path)


def check(rows: Corpus, before: list[Path]) -> None:
    """Raises RecipeError if a run before this one holds out, by key or by text, one of the rows to train on.

    `training.prepare` looks more closely, for near copies too; but the run that it looked at may have been
    prepared again since.
    """
    for folder in before:
        if (key := held_out(rows, folder)) is not None:
            raise RecipeError(
                f"{key} is held out by the run {folder.name}, which this one starts from, and would be trained "
                "on here: give both recipes the same seed, sources and fractions, and prepare both again"
            )


def held_out(rows: Corpus, folder: Path) -> str | None:
    """Key of a row that the run in `folder` holds out and that is, by key or by text, among `rows`; None if none is."""
    keys, texts = set(rows.keys), set(rows.texts)
    for split in ("dev", "test", "evaluation"):
        held = corpus.read(folder / "data", split, ())
        for key, text in zip(held.keys, held.texts, strict=True):
            if key in keys or text in texts:
                return key
    return None


def account(sources: Mapping[str, Any], rows: Corpus, attributes: tuple[str, ...]) -> dict[str, Any]:
    """What `training.prepare` recorded of the sources, with the counts of all rows that were trained on."""
    result = dict(sources)
    for name, info in sources.items():
        if info["evaluation_only"]:
            continue
        mine = rows.of(name)
        known, yes = (~np.isnan(mine.labels)).sum(axis=0), (mine.labels >= 0.5).sum(axis=0)
        counts = {a: (int(known[i]), int(yes[i])) for i, a in enumerate(attributes) if known[i]}
        result[name] = info | {"train": len(mine), "positives": counts}
    return result


def seen(directory: Path, attributes: tuple[str, ...], recipe: Recipe) -> Corpus:
    """All rows that a run's network has been trained on, those of the runs before it included."""
    rows = corpus.read(directory / "data", "train", attributes)
    for folder in folders(directory.parent, recipe):
        rows = rows.join(corpus.read(folder / "data", "train", attributes))
    return rows
