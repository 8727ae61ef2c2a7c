"""Comments of files, scored, to test a policy on.

A table's columns tell the facts, by the names that rules use: `section`, `author.comments`, `story.age_hours` and so
on; in JSONL they may also be objects, `"author": {"comments": 3}`. Links are counted in the text. `id` names a comment,
and `verdict` is what moderators decided: keep, remove or feature. All are optional, and an empty cell is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from serving.bulk import scored_batches
from serving.policy.backtest import Row, Verdict
from serving.policy.facts import PHRASES, FactError, Facts, count_links
from serving.records import Reader, Record, RecordError, read_records
from serving.scorer import Scorer

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
WORDS = ("section", "author.role")
TRUTHS = {"true": True, "false": False, "1": True, "0": False}


@dataclass
class Archive:
    """Comments of files. `unscored`: how many had no text to score and were left out; complete after the iteration."""

    paths: tuple[str | Path, ...]
    scorer: Scorer
    text_column: str = "text"
    unscored: int = 0

    def __iter__(self) -> Iterator[Row]:
        """The rows of all files. Raises RecordError, with the row and the column, and OSError."""
        for path in self.paths:
            reader = read_records(path, self.text_column)
            number = 0
            for batch in scored_batches(self.scorer, reader):
                for record, scores in batch:
                    number += 1
                    if scores is None:
                        self.unscored += 1
                    else:
                        yield _row(reader, number, record, scores)


def _row(reader: Reader, number: int, record: Record, scores: Mapping[str, float]) -> Row:
    known = _known(reader, number, record.columns)
    try:
        facts = Facts.of(known | {"links": count_links(record.text)})
    except FactError as error:
        raise RecordError(reader.source, error.rule, row=number, column=error.name) from None
    verdict = record.columns.get("verdict") or None
    if verdict is not None and verdict not in VERDICTS:
        raise RecordError(reader.source, f"expected {', '.join(VERDICTS)}", row=number, column="verdict")
    given = record.columns.get("id")
    name = str(given) if isinstance(given, str | int) and given != "" else f"{Path(reader.source).name}:{number}"
    return Row(name, dict(scores), facts, record.text, None, verdict)


def _known(reader: Reader, number: int, columns: Mapping[str, Any]) -> dict[str, object]:
    """The facts of a row by their dotted names, of the kinds that they are."""
    known: dict[str, object] = {}
    for name in PHRASES:
        value = columns.get(name)
        owner, _, part = name.partition(".")
        if value is None and part and isinstance(columns.get(owner), dict):
            value = columns[owner].get(part)
        if isinstance(value, str) and name not in WORDS:  # a table of text, such as CSV
            value = _parsed(reader, number, name, value.strip())
        known[name] = value
    return known


def _parsed(reader: Reader, number: int, name: str, value: str) -> object:
    if not value or name == "links":
        return None
    if name == "story.premoderated":
        return TRUTHS.get(value.lower(), value)
    try:
        return float(value)
    except ValueError:
        raise RecordError(reader.source, "expected a number, 0 or more", row=number, column=name) from None
