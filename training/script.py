"""How a script is run: what its user can mend ends it with one line and code 2, a bug with its traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from serving.mendable import one_line_errors

OURS = ("labels", "serving", "training", "__main__")  # the script itself is imported by the last of these names


def run(main: Callable[..., None]) -> None:
    """Runs a script's `main` with the arguments of its command line, and exits."""

    @wraps(main)
    def command(*arguments: Any, **options: Any) -> None:
        try:
            main(*arguments, **options)
        except Exception as error:
            if not mendable(error):
                raise
            with one_line_errors():
                raise

    typer.run(command)


def mendable(error: Exception) -> bool:
    """Whether a user can mend it: a file, a folder or a hub (OSError), or what we have a ValueError of our own for.

    Other ValueErrors come out of numpy, torch and the like: without a traceback nobody would find the bug.
    """
    return isinstance(error, OSError) or (
        isinstance(error, ValueError) and type(error).__module__.partition(".")[0] in OURS
    )
