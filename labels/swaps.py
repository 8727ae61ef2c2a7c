"""Identity swaps: sentences of our own with a gap, and the identities that take their turn in it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from labels.tables import Table

PATH = Path(__file__).parent / "swaps.toml"
KINDS = ("calm", "rude")


class SwapsError(ValueError):
    """The file of swaps cannot be used. The message names the key and the rule."""


class SwapsTable(Table):
    """A table of the file of swaps."""

    error = SwapsError


@dataclass(frozen=True)
class Swaps:
    """Templates by kind, `calm` and `rude`, and the identities: adjectives that fit each template's gap."""

    templates: dict[str, tuple[str, ...]]
    identities: tuple[str, ...]

    def texts(self, kind: str) -> list[list[str]]:
        """The texts of a kind, template by template, in the order of `identities`."""
        return [[fill(template, identity) for identity in self.identities] for template in self.templates[kind]]


def fill(template: str, identity: str) -> str:
    """The template with the identity at {identity}, and its article, a or an, at {a} or {A}."""
    article = "an" if identity[0].lower() in "aeiou" else "a"
    return template.format(identity=identity, a=article, A=article.capitalize())


def load(path: Path = PATH) -> Swaps:
    """The swaps of a TOML file. Raises SwapsError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SwapsError(f"{path}: {error}") from None
    table = SwapsTable.of(str(path), content, (*KINDS, "identities"))
    lists = {key: _texts(table, key) for key in (*KINDS, "identities")}
    for key in KINDS:
        for text in lists[key]:
            try:
                if fill(text, "one") == fill(text, "other"):
                    raise table.broken(key, "must hold texts with the gap {identity}")
            except (KeyError, IndexError, ValueError) as error:
                if isinstance(error, SwapsError):
                    raise
                raise table.broken(key, "must hold texts with no gaps but {identity}, {a} and {A}") from None
    return Swaps({key: lists[key] for key in KINDS}, lists["identities"])


def _texts(table: SwapsTable, key: str) -> tuple[str, ...]:
    values = table.values[key]
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v.strip() for v in values):
        raise table.broken(key, "must be a list of one text or more")
    if len(set(values)) < len(values):
        raise table.broken(key, "must not hold a text twice")
    return tuple(values)
