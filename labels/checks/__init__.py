"""Functional tests for models of reader comments, in the spirit of HateCheck (Röttger et al. 2021).

Each functionality probes one thing that a model must be able to do, with short comments whose expected labels
follow ``labels/guidelines.md``, or with minimal pairs of which one must score higher. The comments stand in the TOML
files beside this module. All were written for them; none comes from a data set. They are for evaluation only:
``training.prepare`` keeps them, and near copies of them, out of every training corpus.

Warning: many are offensive. Slurs are avoided: milder words ("vermin", "parasites") probe the same behaviour. The few
hard words stand where they are the point: quoted, or used by those whom they were meant to hurt. People, streets,
telephone numbers and web addresses are made up.
"""

from __future__ import annotations

import hashlib
import re
import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from labels import taxonomy
from labels.tables import Table

Expected = Literal["present", "absent", "higher"]
EXPECTED: tuple[Expected, ...] = get_args(Expected)

SLOTS = "slots.toml"  # lists that several templates share; every other file holds functionalities

_ID = re.compile(r"[a-z]+(_[a-z]+)*")
_MANDATORY = ("id", "title", "why", "expect")
_WORDS = re.compile(r"\w+")


class ChecksError(ValueError):
    """The suite breaks a rule; the message names the file, the functionality and the key."""


@dataclass(frozen=True)
class Case:
    """One test: a comment with its expected labels or, where ``lower`` is not None, a minimal pair.

    Of a pair, ``text`` must score higher than ``lower``. ``id`` depends on functionality and wording alone, so that it
    stays when cases are added, moved or taken out. ``templated`` says whether a template made the wording.
    """

    id: str
    text: str
    lower: str | None
    templated: bool

    @property
    def texts(self) -> tuple[str, ...]:
        """The comment, or both of a pair."""
        return (self.text,) if self.lower is None else (self.text, self.lower)


@dataclass(frozen=True)
class Functionality:
    """What is probed, and why; the labels that its cases must get, by attribute; the cases.

    ``group`` is the stem of its file. ``expect`` holds either ``present`` and ``absent`` only, or ``higher`` only, in
    which case all cases are pairs.
    """

    id: str
    group: str
    title: str
    why: str
    expect: Mapping[str, Expected]
    cases: tuple[Case, ...]

    @property
    def paired(self) -> bool:
        """Whether the cases are minimal pairs."""
        return "higher" in self.expect.values()


@dataclass(frozen=True)
class Suite:
    """All functionalities, in the order of the files' names. Ids and texts are unique."""

    functionalities: tuple[Functionality, ...]

    def __getitem__(self, name: str) -> Functionality:
        """Return the functionality with that id; raise ``KeyError``, which lists the known ones."""
        for functionality in self.functionalities:
            if functionality.id == name:
                return functionality
        raise KeyError(f"no functionality {name!r}; there are {', '.join(f.id for f in self.functionalities)}")

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases, in order."""
        return tuple(case for functionality in self.functionalities for case in functionality.cases)

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts, both of every pair, in order."""
        return tuple(text for case in self.cases for text in case.texts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids and expected labels: equal for equal suites."""
        lines = (f"{c.id} {sorted(f.expect.items())}\n" for f in self.functionalities for c in f.cases)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def fold(text: str) -> str:
    """The words of a text in lower case: two texts with one fold are the same text."""
    return " ".join(_WORDS.findall(text.lower()))


def load(directory: Path | None = None) -> Suite:
    """Read and check the suite in ``directory``, or the packaged one, which is read only once.

    Raise ``ChecksError`` when the content breaks a rule, and ``OSError`` when a file cannot be read.
    """
    return _packaged() if directory is None else _read(directory)


@cache
def _packaged() -> Suite:
    return _read(Path(__file__).parent)


def _read(directory: Path) -> Suite:
    files = sorted(path for path in directory.glob("*.toml") if path.name != SLOTS)
    if not files:
        raise ChecksError(f"{directory}: no file with functionalities")
    shared = _shared(directory / SLOTS)
    found: list[Functionality] = []
    owners: dict[str, str] = {}
    for path in files:
        with _naming(path):
            for functionality in _functionalities(_parse(path), path.stem, shared):
                _refuse_copies(functionality, found, owners)
                found.append(functionality)
    return Suite(tuple(found))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Puts the file's path before the message of an error that is raised inside."""
    try:
        yield
    # Not only ChecksError: a hexadecimal number can be too long for Python to show in one.
    except ValueError as error:
        raise ChecksError(f"{path}: {error}") from error


def _parse(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    try:
        return tomllib.loads(content.decode())
    # ValueError: bad TOML, bad UTF-8 or an absurdly long number. RecursionError: absurdly deep nesting.
    except (ValueError, RecursionError) as error:
        raise ChecksError(f"not valid TOML: {error}") from error


def _shared(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    with _naming(path):
        table = _parse(path)
        return {name: _Table("the file", table).texts(name) for name in table}


def _functionalities(
    document: dict[str, object], group: str, shared: Mapping[str, tuple[str, ...]]
) -> Iterator[Functionality]:
    tables = _Table.of("the file", document, ("functionality",)).values["functionality"]
    if not isinstance(tables, list) or not tables:
        raise ChecksError("the file: key 'functionality' must be one or more [[functionality]] tables")
    for position, table in enumerate(tables, start=1):
        yield _functionality(table, position, group, shared)


def _functionality(value: object, position: int, group: str, shared: Mapping[str, tuple[str, ...]]) -> Functionality:
    # A functionality is called by its id where it has one, so that the reader of an error can search for it.
    name = value.get("id") if isinstance(value, dict) else None
    where = f"functionality {name!r}" if isinstance(name, str) else f"functionality number {position}"
    expect = _expect(where, value)
    paired = "higher" in expect.values()
    by_hand = "pairs" if paired else "cases"
    table = _Table.of(where, value, (*_MANDATORY, by_hand), ("template",))
    identity = table.id("id")
    written = table.pairs(by_hand) if paired else tuple((text,) for text in table.texts(by_hand))
    expanded = tuple(chain.from_iterable(_expand(template, shared) for template in table.templates(paired)))
    cases = tuple(
        Case(
            id=f"{identity}/{hashlib.sha256(' | '.join(texts).encode()).hexdigest()[:10]}",
            text=texts[0],
            lower=texts[1] if paired else None,
            templated=templated,
        )
        for templated, group_of_texts in ((False, written), (True, expanded))
        for texts in group_of_texts
    )
    return Functionality(identity, group, table.text("title"), table.text("why"), expect, cases)


def _expect(where: str, value: object) -> dict[str, Expected]:
    if not isinstance(value, dict):
        raise ChecksError(f"{where}: must be a table")
    expect = value.get("expect")
    if expect is None:
        raise ChecksError(f"{where}: missing key 'expect'")
    if not isinstance(expect, dict) or not expect:
        raise ChecksError(f"{where}: key 'expect' must be a table of one attribute or more, not {expect!r}")
    names = taxonomy.load().names
    result: dict[str, Expected] = {}
    for name, wanted in expect.items():
        if name not in names:
            raise ChecksError(f"{where}: key 'expect' names no attribute with {name!r}; there are {', '.join(names)}")
        label = next((known for known in EXPECTED if known == wanted), None)
        if label is None:
            raise ChecksError(f"{where}: key 'expect', {name!r} must be one of {', '.join(EXPECTED)}, not {wanted!r}")
        result[name] = label
    if len({label == "higher" for label in result.values()}) > 1:
        raise ChecksError(f"{where}: key 'expect' must not mix 'higher' with other labels")
    return result


def _expand(template: _Template, shared: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The template's texts: the n-th takes the n-th value of each slot, and shorter lists start again.

    There are as many as the longest list has values. A slot at the beginning gets a capital letter.
    """
    lists: dict[str, tuple[str, ...]] = {}
    for slot, values in template.slots.items():
        if isinstance(values, str):
            if values not in shared:
                raise ChecksError(f"{template.where}: slot {slot!r}: {SLOTS} has no list {values!r}")
            lists[slot] = shared[values]
        else:
            lists[slot] = values
    for number in range(max(len(values) for values in lists.values())):
        filling = {slot: values[number % len(values)] for slot, values in lists.items()}
        filled = (text.format_map(filling) for text in template.texts)
        yield tuple(text[0].upper() + text[1:] for text in filled)


def _refuse_copies(one: Functionality, others: Sequence[Functionality], owners: dict[str, str]) -> None:
    if any(one.id == other.id for other in others):
        raise ChecksError(f"functionality {one.id!r}: key 'id' is used by two functionalities")
    for text in (text for case in one.cases for text in case.texts):
        key = fold(text) or text
        if key in owners:
            raise ChecksError(f"functionality {one.id!r}: the text {text!r} stands twice, first in {owners[key]!r}")
        owners[key] = one.id


@dataclass(frozen=True)
class _Template:
    """One text, or a pair of them, with {slots}; a slot's values, or the name of a shared list."""

    where: str
    texts: tuple[str, ...]
    slots: Mapping[str, str | tuple[str, ...]]


class _Table(Table):
    """One functionality, or a part of it."""

    error = ChecksError

    def id(self, key: str) -> str:
        value = self.values[key]
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise self.broken(key, "must be lower-case words joined by underscores")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values[key]
        if not isinstance(value, list) or not value:
            raise self.broken(key, "must be a list of one string or more")
        for item in value:
            if not isinstance(item, str) or not item or item != item.strip():
                raise self.broken(key, "must hold only strings without white space at either end")
        return tuple(value)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        value = self.values[key]
        if not isinstance(value, list) or not value:
            raise self.broken(key, "must be a list of one pair or more")
        found = []
        for item in value:
            match item:
                case [str() as higher, str() as lower] if higher.strip() and lower.strip():
                    found.append((higher, lower))
                case _:
                    raise self.broken(key, "must hold only pairs [higher, lower] of strings that are not blank")
        return tuple(found)

    def templates(self, paired: bool) -> Iterator[_Template]:
        value = self.values.get("template", [])
        if not isinstance(value, list):
            raise self.broken("template", "must be one or more [[functionality.template]] tables")
        keys = ("higher", "lower") if paired else ("text",)
        for position, item in enumerate(value, start=1):
            where = f"{self.where}, template {position}"
            table = _Table.of(where, item, (*keys, "slots"))
            texts = tuple(table.text(key) for key in keys)
            yield _Template(where, texts, table.slots("slots", {slot for text in texts for slot in table.fields(text)}))

    def fields(self, text: str) -> Iterator[str]:
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ChecksError(f"{self.where}: {error} in {text!r}") from error
        for _, field, spec, conversion in parts:
            if field is None:
                continue
            if not _ID.fullmatch(field) or spec or conversion:
                raise ChecksError(f"{self.where}: a slot must be lower-case words joined by underscores, in {text!r}")
            yield field

    def slots(self, key: str, used: set[str]) -> dict[str, str | tuple[str, ...]]:
        value = self.values[key]
        if not isinstance(value, dict) or not value:
            raise self.broken(key, "must be a table of one slot or more")
        if missing := sorted(used - value.keys()):
            raise self.broken(key, f"lacks the slot {missing[0]!r}")
        if idle := sorted(value.keys() - used):
            raise self.broken(key, f"has a slot that no text uses, {idle[0]!r}")
        table = _Table(f"{self.where}, key {key!r}", value)
        return {slot: item if isinstance(item, str) else table.texts(slot) for slot, item in value.items()}
