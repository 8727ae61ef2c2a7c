"""A TOML table read strictly: exactly the expected keys, and errors that say where and what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True)
class Table:
    """A TOML table, and what to call it in an error. A subclass names the ``error`` that it raises."""

    where: str
    values: Mapping[str, object]
    error: ClassVar[type[ValueError]] = ValueError

    @classmethod
    def of(cls, where: str, value: object, keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> Self:
        """Return the table; raise ``error`` unless it has all ``keys`` and none but them and ``optional`` ones."""
        if not isinstance(value, dict):
            raise cls.error(f"{where}: must be a table")
        for key in value:
            if key not in (*keys, *optional):
                raise cls.error(f"{where}: unknown key {key!r}; the keys are {', '.join((*keys, *optional))}")
        for key in keys:
            if key not in value:
                raise cls.error(f"{where}: missing key {key!r}")
        return cls(where, value)

    def text(self, key: str) -> str:
        """Return the string at ``key``, trimmed; raise ``error`` if it is none, or blank."""
        value = self.values[key]
        if not isinstance(value, str) or not value.strip():
            raise self.broken(key, "must be a string that is not blank")
        return value.strip()

    def broken(self, key: str, rule: str) -> ValueError:
        """Return the error for a value that breaks a rule."""
        return self.error(f"{self.where}: key {key!r} {rule}, not {self.values[key]!r}")
