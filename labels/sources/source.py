"""A labelled data set: how its columns become attributes, its licence and its citation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labels.sources.licences import Licence


class RuleError(ValueError):
    """A cell breaks its column's rule. `column` names the cell, `rule` says what was expected."""

    def __init__(self, column: str, rule: str) -> None:
        super().__init__(f"column {column!r}: {rule}")
        self.column = column
        self.rule = rule


@dataclass(frozen=True)
class Target:
    """How one attribute's label is read from one row.

    `read` takes the row and returns a share in 0..1, or None where the row says nothing about the
    attribute: unknown is never 0. It raises RuleError for a cell that breaks the column's rule.
    """

    attribute: str
    columns: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], float | None]
    how: str


@dataclass(frozen=True)
class Marks:
    """How the parts of a text that annotators marked are read from one row.

    `read` takes the row and returns places [start, end) in characters of the text, none for a text in which nothing is
    marked, or None where the row says nothing about it. It raises RuleError for a cell that breaks the column's rule.
    """

    attribute: str
    columns: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Sequence[tuple[int, int]] | None]
    how: str


@dataclass(frozen=True)
class Hub:
    """The original on a model hub: dataset name, split, text column and its own targets."""

    name: str
    split: str
    text: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Source:
    """One labelled data set.

    `name` is also the stem of its file. `group` is the column that ties rows together (article,
    thread): such rows never straddle two splits. `natural` says whether a row belongs to a plain
    random sample, so that rates measured on it mean something; None: the whole set counts as one.
    `weight` is a column with a factor on each row's loss. `home` is where its authors publish it, if we know. `marks`
    reads the words that annotators marked. `left_out` gives the reason for a set that is known but not used.
    """

    name: str
    title: str
    citation: str
    licence: Licence
    targets: tuple[Target, ...]
    unknown: str
    group: str | None = None
    natural: Callable[[Mapping[str, Any]], bool] | None = None
    evaluation_only: bool = False
    left_out: str | None = None
    text: str = "text"
    hub: Hub | None = None
    home: str | None = None
    weight: str | None = None
    marks: Marks | None = None
    optional: frozenset[str] = field(default_factory=frozenset)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes that this source labels, in the order of its targets."""
        return tuple(dict.fromkeys(target.attribute for target in self.targets))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be present: text, group and what the targets read."""
        wanted = [self.text, *([self.group] if self.group else [])]
        wanted += [column for target in self.targets for column in target.columns]
        wanted += self.marks.columns if self.marks else ()
        return tuple(column for column in dict.fromkeys(wanted) if column not in self.optional)


def number(row: Mapping[str, Any], column: str, low: float = 0.0, high: float = 1.0) -> float | None:
    """The cell as a float in low..high, or None where it is empty. Raises RuleError otherwise."""
    cell = row.get(column)
    if cell is None or cell == "":
        return None
    rule = f"expected a number from {low:g} to {high:g}, found {type(cell).__name__}"
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        raise RuleError(column, rule) from None
    if value != value:  # NaN stands for an empty cell in tables that were once pandas frames
        return None
    if not low <= value <= high:
        raise RuleError(column, f"expected a number from {low:g} to {high:g}, found {value:g}")
    return value


def choice(row: Mapping[str, Any], column: str, values: Mapping[str, float]) -> float | None:
    """The value of a cell that holds one of the words in `values`, or None where it is empty.

    Raises RuleError for any other cell.
    """
    cell = row.get(column)
    if cell is None or cell == "" or cell != cell:  # NaN is an empty cell of a pandas frame
        return None
    if not isinstance(cell, str) or cell not in values:
        raise RuleError(column, f"expected {' or '.join(map(repr, values))}, found {type(cell).__name__}")
    return values[cell]


def share(attribute: str, column: str) -> Target:
    """The column is the share of annotators (or a 0/1 label) for the attribute."""
    return Target(attribute, (column,), lambda row: number(row, column), f"{column}")


def chosen(attribute: str, column: str, values: Mapping[str, float], how: str) -> Target:
    """The column holds one of a few words, each of which stands for a share."""
    return Target(attribute, (column,), lambda row: choice(row, column, values), how)


def graded(attribute: str, column: str, no: float, yes: float) -> Target:
    """A 0..1 column moved onto no..yes, for labels that are only evidence of the attribute."""

    def read(row: Mapping[str, Any]) -> float | None:
        value = number(row, column)
        return None if value is None else no + (yes - no) * value

    return Target(attribute, (column,), read, f"{column}: 0 -> {no:g}, 1 -> {yes:g}")


def scaled(attribute: str, column: str, low: float, high: float, bounds: tuple[float, float]) -> Target:
    """A column with values in `bounds`, clipped to low..high and mapped onto 0..1."""

    def read(row: Mapping[str, Any]) -> float | None:
        value = number(row, column, *bounds)
        return None if value is None else min(1.0, max(0.0, (value - low) / (high - low)))

    return Target(attribute, (column,), read, f"{column}: {low:g}..{high:g} -> 0..1")


def judged(attribute: str, column: str, confidence: str, *, inverted: bool = False) -> Target:
    """A 0/1 majority label with the share of (trust-weighted) annotators behind it.

    A confidence below one half contradicts the label it stands beside; the label is then kept hard.
    """

    def read(row: Mapping[str, Any]) -> float | None:
        label, sure = number(row, column), number(row, confidence)
        if label is None:
            return None
        held = sure if sure is not None and sure >= 0.5 else 1.0
        value = label * held + (1 - label) * (1 - held)
        return 1 - value if inverted else value

    sign = "1 - " if inverted else ""
    return Target(attribute, (column, confidence), read, f"{sign}{column}, softened by {confidence}")


def derived(
    attribute: str, columns: tuple[str, ...], read: Callable[[Mapping[str, Any]], float | None], how: str
) -> Target:
    """A label computed from several columns; `how` says it in words for the card."""
    return Target(attribute, columns, read, how)
