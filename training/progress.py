"""A run on its way: tokens a second and minutes left, development rows to watch, and whose its checkpoints are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.corpus import Corpus
from training.recipe import RecipeError
from training.splits import uniform


class Progress(TrainerCallback):
    """Adds tokens/s and minutes left to each line of the log, and stops on request for the tests."""

    def __init__(self, tokens: list[int], stop_after: int | None) -> None:
        self.tokens = tokens
        self.stop_after = stop_after
        self.began: tuple[float, int] | None = None

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Starts the clock."""
        if self.began is None:
            self.began = (time.monotonic(), state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ends the run early where the caller asked for it."""
        if self.stop_after is not None and state.global_step >= self.stop_after:
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Adds the two figures to a line of training losses."""
        if self.began is None or logs is None or "loss" not in logs:
            return
        start, first = self.began
        elapsed = max(1e-9, time.monotonic() - start)
        done, left = self.tokens[first : state.global_step], self.tokens[state.global_step : state.max_steps]
        rate = sum(done) / elapsed
        logs["tokens_per_second"] = round(rate)
        logs["minutes_left"] = round(sum(left) / max(rate, 1e-9) / 60, 1)


def watched(rows: Corpus, most: int, seed: int) -> Corpus:
    """At most so many rows, by hash, for the evaluations on the way.

    Another draw than the one that split the rows: those of the lowest draws are all of few sources.
    """
    return rows.select(np.argsort([uniform(f"watched {key}", seed) for key in rows.keys])[:most])


def claim(checkpoints: Path, mine: dict[str, Any]) -> None:
    """Marks the checkpoints as the run's with this identity. Raises RecipeError if they are another run's."""
    path = checkpoints / "run.json"
    if path.is_file():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if differing := changed(mine, theirs):
            raise RecipeError(
                f"{checkpoints} are of another run ({', '.join(differing)} changed): give the recipe another name, "
                "or remove them"
            )
    checkpoints.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(mine, indent=2) + "\n", encoding="utf-8")


def changed(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """What differs; a run from before something could be set did without it."""
    return [key for key in mine if mine[key] != theirs.get(key)]
