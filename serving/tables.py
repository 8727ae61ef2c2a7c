"""Shows scored comments on a terminal, the highest scores on top."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Board", "Row", "cells", "open_console", "plain", "print_board"]

SHOWN_SCORES = ("report_worthy", "incivility", "constructive")
EXCERPT = 80  # characters
# A redirected table has no width of its own; rich would fall back to 80 columns.
REDIRECTED_WIDTH = 200
# Below this a table leaves no room for the text, so each comment takes two lines instead.
TABLE_WIDTH = 130


@dataclass(frozen=True, slots=True)
class Row:
    """One scored comment; ``number`` is its place in its source, from 1."""

    source: str
    number: int
    columns: Mapping[str, Any]
    text: str
    scores: Mapping[str, float]

    @property
    def author(self) -> str:
        """Who wrote it, where the source says so in a column of that name, else ""."""
        return str(self.columns.get("author") or "")


class Board:
    """Keeps the rows with the highest scores for one attribute, ``limit`` of them or (None) all.

    Memory is bounded by ``limit``. Of equal scores the earlier row ranks higher.
    """

    def __init__(self, attribute: str, limit: int | None) -> None:
        self.attribute = attribute
        self.limit = limit
        self.seen = 0
        self._heap: list[tuple[float, int, Row]] = []
        self._order = itertools.count()

    def add(self, row: Row) -> None:
        """Offer a row; it stays if it is among the highest so far."""
        self.seen += 1
        # The counter runs down, so that ties are decided for the earlier row and never by comparing rows.
        item = (row.scores[self.attribute], -next(self._order), row)
        if self.limit is None or len(self._heap) < self.limit:
            heapq.heappush(self._heap, item)
        else:
            heapq.heappushpop(self._heap, item)

    def rows(self) -> list[Row]:
        """Return the rows kept, highest first."""
        return [row for _, _, row in sorted(self._heap, reverse=True)]


def cells(*texts: str) -> list[Text]:
    """A table's row of what people wrote: without control characters, and with brackets that are no markup."""
    return [Text(plain(text)) for text in texts]


def plain(text: str, length: int | None = None) -> str:
    """Return text on one line, without control characters: a comment must not steer the terminal."""
    if length is not None:
        # Cut before cleaning, for a comment may be very long; white space is what it may shrink by.
        text = text[: length * 4]
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if length is None or len(line) <= length else line[: length - 1] + "…"


def open_console() -> Console:
    """Return a console for standard output, wide enough for a table if that is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=REDIRECTED_WIDTH)


def print_board(
    console: Console,
    board: Board,
    *,
    title: str,
    attributes: Sequence[str],
    chosen: bool,
    sources: bool = False,
) -> None:
    """Print a board, as a table where the console is wide enough.

    Args:
        console: where to.
        board: the rows.
        title: printed above.
        attributes: those the rows have scores for.
        chosen: the user named the attributes, so show exactly those; else the headline ones and the
            highest of the others.
        sources: show which source a row is from.

    """
    shown = attributes if chosen else [name for name in SHOWN_SCORES if name in attributes] or attributes[:1]
    detail = [] if chosen else [name for name in attributes if name not in SHOWN_SCORES]
    console.print(Text(plain(title), style="bold"), soft_wrap=True)
    show = _print_table if console.width >= TABLE_WIDTH else _print_lines
    show(console, board.rows(), shown, detail, sources)


def _print_table(
    console: Console, rows: Sequence[Row], shown: Sequence[str], detail: Sequence[str], sources: bool
) -> None:
    authors = any(row.author for row in rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    if sources:
        table.add_column("source", max_width=24, overflow="fold")
    if authors:
        table.add_column("author", max_width=24, overflow="ellipsis", no_wrap=True)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    if detail:
        table.add_column("highest detail", no_wrap=True)
    table.add_column("text", max_width=EXCERPT, overflow="ellipsis", no_wrap=True)
    for row in rows:
        cells = [str(row.number)]
        cells += [plain(row.source)] if sources else []
        cells += [plain(row.author)] if authors else []
        cells += [f"{row.scores[name]:.2f}" for name in shown]
        cells += [f"{name} {row.scores[name]:.2f}" for name in _highest(row, detail)]
        cells.append(plain(row.text, EXCERPT))
        # Text objects, because strings would be read as markup: "[red]" in a comment is only a comment.
        table.add_row(*map(Text, cells))
    console.print(table)


def _print_lines(
    console: Console, rows: Sequence[Row], shown: Sequence[str], detail: Sequence[str], sources: bool
) -> None:
    for row in rows:
        scores = "  ".join(f"{row.scores[name]:.2f} {name}" for name in [*shown, *_highest(row, detail)])
        origin = [plain(part) for part in (row.source if sources else "", row.author) if part]
        text = ": ".join([*origin, plain(row.text, EXCERPT)])
        console.print(Text(f"{row.number:>4}  {scores}\n      {text}"), soft_wrap=True)


def _highest(row: Row, detail: Sequence[str]) -> list[str]:
    return [max(detail, key=row.scores.__getitem__)] if detail else []
