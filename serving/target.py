"""A file that is written whole or not at all: beside its place first, and there when it is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["OutputError", "replaced", "resolved"]


class OutputError(ValueError):
    """An output that cannot be written: which file, row (from 1) and column, and the rule it breaks."""

    def __init__(self, path: Path, rule: str, *, row: int | None = None, column: str | None = None) -> None:
        self.path, self.rule, self.row, self.column = path, rule, row, column
        place = [str(path)]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {rule}")


def resolved(path: Path) -> Path:
    """Where a file of that name would lie: a link stays, what it points to is replaced.

    Raises OutputError if there is no directory, or no ordinary file, to put it in place of.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise OutputError(path, f"there is no directory {path.parent}")
    if path.exists() and not path.is_file():
        raise OutputError(path, "exists and is no ordinary file")
    return path


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """What to write a file's new content to. It is on the disk, and in the old one's place, when the block ends.

    An exception inside the block, an interrupt included, leaves what was there, and nothing else. Raises OSError.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
