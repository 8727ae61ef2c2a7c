"""A publisher's own history: accepted and rejected comments in JSONL, CSV or Parquet.

The schema, one comment a row (docs/your-own-data.md has examples):

| column | | meaning |
|---|---|---|
| `text` | required | the comment |
| `decision` | | `accepted` or `rejected`: what the moderators did |
| `featured` | | true if an editor featured it |
| `story` | | article id; comments of one story stay in one split |
| `weight` | | factor on the row's loss, 0 to 100; 1 if empty |
| any attribute's name | | a share of annotators in 0..1 |

An empty cell is unknown. Further columns are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labels import taxonomy
from labels.sources.licences import OWN
from labels.sources.source import RuleError, Source, Target, choice, derived, number

DECISIONS = {"accepted": 0.0, "rejected": 1.0}
BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


def _report_worthy(row: Mapping[str, Any]) -> float | None:
    stated = number(row, "report_worthy")
    return stated if stated is not None else choice(row, "decision", DECISIONS)


def _constructive(row: Mapping[str, Any]) -> float | None:
    stated = number(row, "constructive")
    if stated is not None:
        return stated
    featured = row.get("featured")
    if featured in (None, "") or featured != featured:
        return None
    value = BOOLEANS.get(str(featured).lower())
    if value is None:
        raise RuleError("featured", "expected true or false")
    # Not being featured says little: most good comments never are.
    return 1.0 if value else None


def _share(attribute: str) -> Target:
    return derived(attribute, (attribute,), lambda row: number(row, attribute), f"{attribute}")


def _targets() -> tuple[Target, ...]:
    decided = {
        "report_worthy": derived(
            "report_worthy",
            ("decision", "report_worthy"),
            _report_worthy,
            "rejected by the publisher's moderators",
        ),
        "constructive": derived(
            "constructive", ("featured", "constructive"), _constructive, "featured by the publisher's editors"
        ),
    }
    return tuple(decided.get(name, _share(name)) for name in taxonomy.load().names)


def publisher() -> Source:
    """The source that reads a publisher's own file."""
    targets = _targets()
    return Source(
        name="publisher",
        title="The publisher's own accepted and rejected comments",
        citation="The publisher's own data.",
        licence=OWN,
        targets=targets,
        unknown="every attribute whose column is absent or empty",
        group="story",
        weight="weight",
        optional=frozenset({"story", "weight", *(column for target in targets for column in target.columns)}),
    )
