"""The attributes a comment is scored for, read from ``taxonomy.toml`` and checked in full."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, get_args

from labels.tables import Table

WireSystem = Literal["perspective", "openai", "coral"]

GROUPS = ("headline", "detail")
COMBINES = ("max", "mean")
WIRE_SYSTEMS: tuple[WireSystem, ...] = get_args(WireSystem)

_KEYS = (
    "name",
    "group",
    "definition",
    "question",
    "derivation",
    "range",
    "combine",
    "present",
    "absent",
    "wire",
)
_NAME = re.compile(r"[a-z][a-z_]*")


class TaxonomyError(ValueError):
    """The taxonomy breaks a rule; the message names the file, the attribute and the key."""


@dataclass(frozen=True)
class Attribute:
    """One thing a comment is scored for.

    ``name`` is lower case with underscores; ``group`` is ``"headline"`` or ``"detail"``; ``range`` holds the
    lowest and highest score, within 0..1. ``combine`` (``"max"`` or ``"mean"``) says how the windows of a
    long text become one score. ``present`` and ``absent`` hold at least one example each. ``perspective``,
    ``openai`` and ``coral`` are the names other systems use for it, and may be empty.
    """

    name: str
    group: str
    definition: str
    question: str
    derivation: str
    range: tuple[float, float]
    combine: str
    present: tuple[str, ...]
    absent: tuple[str, ...]
    perspective: tuple[str, ...]
    openai: tuple[str, ...]
    coral: tuple[str, ...]

    def wire(self, system: WireSystem) -> tuple[str, ...]:
        """Return the names this attribute has in ``system``, the preferred one first."""
        return {"perspective": self.perspective, "openai": self.openai, "coral": self.coral}[system]


@dataclass(frozen=True)
class Taxonomy:
    """All attributes, in the order of the file; names and wire names are unique."""

    attributes: tuple[Attribute, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes' names, in order."""
        return tuple(attribute.name for attribute in self.attributes)

    def __getitem__(self, name: str) -> Attribute:
        """Return the attribute called ``name``; raise ``KeyError``, which lists the known names."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise KeyError(f"no attribute {name!r}; the taxonomy has {', '.join(self.names)}")

    def by_wire(self, system: WireSystem, name: str) -> Attribute | None:
        """Return the attribute that ``system`` calls ``name`` (case matters), or None."""
        return self._by_wire.get((system, name))

    @cached_property
    def _by_wire(self) -> dict[tuple[WireSystem, str], Attribute]:
        return {
            (system, name): each for each in self.attributes for system in WIRE_SYSTEMS for name in each.wire(system)
        }


def load(path: Path | None = None) -> Taxonomy:
    """Read and check the taxonomy at ``path``, or the packaged one, which is read only once.

    Raise ``TaxonomyError`` when the content breaks a rule, and ``OSError`` when the file cannot be read.
    """
    return _packaged() if path is None else _read(path)


@cache
def _packaged() -> Taxonomy:
    return _read(Path(__file__).with_name("taxonomy.toml"))


def _read(path: Path) -> Taxonomy:
    content = path.read_bytes()
    try:
        return _taxonomy(_parse(content))
    # Not only TaxonomyError: a hexadecimal number can be too long for Python to show in one.
    except ValueError as error:
        raise TaxonomyError(f"{path}: {error}") from error


def _parse(content: bytes) -> dict[str, object]:
    try:
        return tomllib.loads(content.decode())
    # ValueError: bad TOML, bad UTF-8 or an absurdly long number. RecursionError: absurdly deep nesting.
    except (ValueError, RecursionError) as error:
        raise TaxonomyError(f"not valid TOML: {error}") from error


def _taxonomy(document: dict[str, object]) -> Taxonomy:
    tables = _Table.of("the file", document, ("attribute",)).values["attribute"]
    if not isinstance(tables, list) or not tables:
        raise TaxonomyError("the file: key 'attribute' must be one or more [[attribute]] tables")
    attributes = tuple(_attribute(table, position) for position, table in enumerate(tables, start=1))
    _refuse_shared_names(attributes)
    return Taxonomy(attributes)


def _attribute(value: object, position: int) -> Attribute:
    # An attribute is called by its name where it has one, so that the reader of an error can search for it.
    name = value.get("name") if isinstance(value, dict) else None
    where = f"attribute {name!r}" if isinstance(name, str) else f"attribute number {position}"
    table = _Table.of(where, value, _KEYS)
    wire = _Table.of(f"{where}, key 'wire'", table.values["wire"], WIRE_SYSTEMS)
    return Attribute(
        name=table.name("name"),
        group=table.choice("group", GROUPS),
        definition=table.text("definition"),
        question=table.text("question"),
        derivation=table.text("derivation"),
        range=table.range("range"),
        combine=table.choice("combine", COMBINES),
        present=table.examples("present"),
        absent=table.examples("absent"),
        perspective=wire.texts("perspective"),
        openai=wire.texts("openai"),
        coral=wire.texts("coral"),
    )


def _refuse_shared_names(attributes: tuple[Attribute, ...]) -> None:
    names: set[str] = set()
    owners: dict[tuple[WireSystem, str], str] = {}
    for attribute in attributes:
        if attribute.name in names:
            raise TaxonomyError(f"attribute {attribute.name!r}: key 'name' is used by two attributes")
        names.add(attribute.name)
        for system in WIRE_SYSTEMS:
            for wire_name in attribute.wire(system):
                owner = owners.setdefault((system, wire_name), attribute.name)
                if owner != attribute.name:
                    raise TaxonomyError(
                        f"{system} wire name {wire_name!r} is claimed by attribute {owner!r} "
                        f"and by attribute {attribute.name!r}; it may belong to one only"
                    )


class _Table(Table):
    """One attribute, or a part of it."""

    error = TaxonomyError

    def name(self, key: str) -> str:
        value = self.values[key]
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise self.broken(key, "must be lower-case letters and underscores, a letter first")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.values[key]
        if not isinstance(value, str) or value not in allowed:
            raise self.broken(key, f"must be one of {', '.join(allowed)}")
        return value

    def range(self, key: str) -> tuple[float, float]:
        match self.values[key]:
            # bool is an int to Python. 0..1 also turns away nan, infinity and integers too large for a float.
            case [int() | float() as low, int() | float() as high] if (
                not isinstance(low, bool) and not isinstance(high, bool) and 0 <= low < high <= 1
            ):
                return float(low), float(high)
        raise self.broken(key, "must be two numbers [low, high] with 0 <= low < high <= 1")

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values[key]
        if not isinstance(value, list):
            raise self.broken(key, "must be a list of strings")
        for item in value:
            if not isinstance(item, str) or not item.strip():
                raise self.broken(key, "must hold only strings that are not blank")
        return tuple(value)

    def examples(self, key: str) -> tuple[str, ...]:
        found = self.texts(key)
        if not found:
            raise self.broken(key, "needs at least one example")
        return found
