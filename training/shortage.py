"""What a run has too little of: `prepare` tells of empty splits, and the steps that need their rows refuse them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.corpus import Corpus
from training.recipe import Recipe, RecipeError
from training.splits import Split

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def empty(recipe: Recipe, sources: Mapping[str, Any], needed: Sequence[Split] = SPLITS) -> str | None:
    """Which of the splits needed have no row, and why; None if all have some. `sources` are as `prepare` records them.

    A group goes to one split by a draw of its own, so that of few groups none may go to a small one.
    """
    mine = [(choice, sources[choice.name]) for choice in recipe.prepare.sources if choice.name in sources]
    missing = [split for split in needed if not any(found[split] for _, found in mine)]
    if not missing:
        return None
    told = (
        f"{choice.name}: rows {found['rows']:,}, groups {found['groups']:,}, dev {choice.dev:g}, test {choice.test:g}"
        for choice, found in mine
    )
    return (
        f"{recipe.name}: no rows for {', '.join(missing)} ({'; '.join(told)}). All rows of a group, such as a story "
        "or a thread, go to one split, drawn by lot: it takes more groups or a larger fraction"
    )


def check(recipe: Recipe, sources: Mapping[str, Any], *needed: Split) -> None:
    """Raises RecipeError if one of the splits has no row."""
    if (message := empty(recipe, sources, needed)) is not None:
        raise RecipeError(message)


def check_labels(recipe: Recipe, attributes: Sequence[str], dev: Corpus) -> None:
    """Raises RecipeError if there is nothing to learn, or nothing to choose the best network by.

    `attributes` have training labels on both sides of one half, `dev` the columns of those.
    """
    if not attributes:
        raise RecipeError(f"{recipe.name}: nothing to learn: no attribute has training rows both with and without it")
    if not ((dev.labels >= 0.5).any(axis=0) & (dev.labels < 0.5).any(axis=0)).any():
        raise RecipeError(
            f"{recipe.name}: nothing to choose the best network by: none of {', '.join(attributes)} has development "
            "rows both with and without it. It takes more labelled rows, or a larger fraction `dev`"
        )
