"""What pydantic says of a file, in the words of whoever wrote it: the place, the key, the rule that it breaks."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

# Tables that have lists of rules, by how many keys lead to one: [default], [sites.ID], [sections.NAME].
OWNERS = {"default": 1, "sites": 2, "sections": 2}


@dataclass(frozen=True)
class Complaint:
    """`path`: whose rules, such as ("sections", "politics") or ("default",); () for the file's own. `rule`: its number
    from 1, if it is about one. `key`: the dotted key inside that; "" for the whole. `problem`: never quotes a value.
    """

    path: tuple[str, ...]
    rule: int | None
    key: str
    problem: str


def complaint(error: ValidationError, kind: type[BaseModel]) -> Complaint:
    """The first complaint about a file that is not a `kind`; an unknown key first, for what is missing may be that."""
    every = error.errors(include_input=False, include_url=False, include_context=False)
    first = min(every, key=lambda one: one["type"] != "extra_forbidden")
    location = tuple(part for part in first["loc"] if part != "[key]")
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        problem = _unknown(str(location[-1]), _keys(kind, location[:-1]))
    depth = OWNERS.get(str(location[0]), 0) if location else 0
    path, rest = (location[:depth], location[depth:]) if len(location) >= depth else ((), location)
    number = None
    if len(rest) > 1 and rest[0] == "rules" and isinstance(rest[1], int):
        number, rest = rest[1] + 1, rest[2:]
    return Complaint(tuple(str(part)[:64] for part in path), number, ".".join(str(part)[:64] for part in rest), problem)


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"unknown key; the keys here are {', '.join(known)}{hint}"


def _keys(kind: Any, location: tuple[int | str, ...]) -> list[str]:
    """The keys of the table at a place inside a `kind`."""
    for part in location:
        found = _model(kind)
        # A list's item or a mapping's value is described by the same annotation as the whole.
        if found and isinstance(part, str) and part in found.model_fields:
            kind = found.model_fields[part].annotation
    found = _model(kind)
    return list(found.model_fields) if found else []


def _model(kind: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or has as a member."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((model for part in get_args(kind) if (model := _model(part))), None)
