"""What would change if a draft went live: two policies over the same comments. Pure: no files, no database.

Two questions are kept apart. What the calibration expects: of what the draft holds, flags or rejects, how much a
moderator would uphold if reported (mean calibrated `report_worthy`); for all comments, but only as good as the
calibration is on the site at hand. And what moderators did decide: fact, but only of comments that somebody looked at.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from serving.policy.decide import Decision, decide
from serving.policy.facts import Facts
from serving.policy.file import Policy
from serving.policy.rules import Action
from serving.policy.words import explain

State = Literal["published", "held", "rejected"]
Verdict = Literal["keep", "remove", "feature"]

ACTIONS: tuple[Action, ...] = get_args(Action)
# What an action says of a comment, as an attribute: what those that it is taken on should be high in.
CLAIMS: Mapping[Action, str] = {
    "hold": "report_worthy",
    "flag": "report_worthy",
    "reject": "report_worthy",
    "feature": "constructive",
}
RESTRICTING: frozenset[Action] = frozenset({"hold", "flag", "reject"})
EXCERPT = 300  # characters
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Row:
    """One stored comment. `scores`: calibrated, may be incomplete. `facts`: as they were when it was written.

    `state`: how it stands now, None if not known. `verdict`: the moderators' last word on it, None if nobody has
    decided. `text` may be None, if none was kept.
    """

    id: str
    scores: Mapping[str, float]
    facts: Facts = field(default_factory=Facts)
    text: str | None = None
    state: State | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion `of` so many, with its 95 % interval; all 0..1. `value` and its bounds are None of none."""

    of: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def made(cls, count: float, of: int) -> Share:
        """Of a count, or of a sum of probabilities, by Wilson (1927): sound for few and for shares near 0 or 1. Of
        probabilities it is the interval of the count that they would lead to in as many like comments.
        """
        if of == 0:
            return cls(0)
        value = min(1.0, max(0.0, count / of))
        spread = Z * math.sqrt(value * (1 - value) / of + Z * Z / (4 * of * of))
        middle, scale = value + Z * Z / (2 * of), 1 + Z * Z / of
        return cls(of, value, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


@dataclass(frozen=True, slots=True)
class Agreement:
    """A policy against what moderators decided on the same comments.

    `removed`: of those that it holds, flags or rejects, the share that moderators removed. `caught`: of those that
    moderators removed, the share that it holds, flags or rejects. `wrongly_rejected`: how many it would have rejected,
    with nobody asked, though moderators kept them.
    """

    decided: int
    removed: Share
    caught: Share
    wrongly_rejected: int


@dataclass(frozen=True, slots=True)
class Example:
    """A comment that the draft would treat otherwise, and why, in sentences. `text` is an excerpt."""

    id: str
    old: Action
    new: Action
    old_reasons: tuple[str, ...]
    new_reasons: tuple[str, ...]
    text: str | None
    scores: Mapping[str, float]
    state: State | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Side:
    """What one policy does with the comments.

    `actions`: how many by action. `deferred`: how many it holds because rules disagree or scores are missing. `nudges`:
    how many authors it would ask to reword on a first attempt. `expected`: by action, the mean calibrated score of
    what the action claims (CLAIMS), over comments that have that score. `agreement`: None if nobody has decided any.
    """

    actions: Mapping[Action, int]
    deferred: int
    nudges: int
    expected: Mapping[Action, Share]
    agreement: Agreement | None

    def share(self, action: Action) -> float:
        """The share of all comments that get an action, 0..1."""
        total = sum(self.actions.values())
        return self.actions[action] / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a backtest. `matrix`: how many comments by (old, new) action, without empty cells. `examples`: by
    changed (old, new), the same ones each time, whatever order the comments come in.
    """

    rows: int
    matrix: Mapping[tuple[Action, Action], int]
    old: Side
    new: Side
    examples: Mapping[tuple[Action, Action], tuple[Example, ...]]

    @property
    def changed(self) -> int:
        """How many comments the draft treats otherwise."""
        return sum(count for (old, new), count in self.matrix.items() if old != new)

    def record(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "rows": self.rows,
            "changed": self.changed,
            "matrix": [{"old": old, "new": new, "count": count} for (old, new), count in sorted(self.matrix.items())],
            "old": _side(self.old),
            "new": _side(self.new),
            "examples": [
                {name: _plain(getattr(example, name)) for name in Example.__slots__}
                for examples in self.examples.values()
                for example in examples
            ],
        }


def backtest(old: Policy, new: Policy, rows: Iterable[Row], *, examples: int = 3) -> Report:
    """What `new` would do with comments, beside what `old` does; the rows are read once and not kept. `examples`: the
    most to keep of each kind of change, chosen by a hash of their ids.

    Both are taken as for a first attempt of an author who does not reword.
    """
    matrix: Counter[tuple[Action, Action]] = Counter()
    sides = _Side(), _Side()
    kept: defaultdict[tuple[Action, Action], list[tuple[int, str, int, Example]]] = defaultdict(list)
    count = 0
    for row in rows:
        count += 1
        before, after = (_decision(policy, row) for policy in (old, new))
        sides[0].add(before, row)
        sides[1].add(after, row)
        change = before.action, after.action
        matrix[change] += 1
        if before.action == after.action or examples <= 0:
            continue
        # The lowest hashes, kept as the highest of their negatives; the id decides between two rows of one hash.
        place = -int.from_bytes(hashlib.sha256(row.id.encode("utf-8", "replace")).digest()[:8]), row.id
        heap = kept[change]
        if len(heap) < examples:
            heapq.heappush(heap, (*place, count, _example(row, before, after)))
        elif place > heap[0][:2]:
            heapq.heapreplace(heap, (*place, count, _example(row, before, after)))
    shown = {
        change: tuple(example for *_, example in sorted(kept[change], key=lambda item: item[:3], reverse=True))
        for change in sorted(kept, key=lambda change: (-matrix[change], change))
    }
    return Report(count, dict(matrix), sides[0].made(), sides[1].made(), shown)


class _Side:
    """Adds up what one policy does."""

    def __init__(self) -> None:
        self.actions: Counter[Action] = Counter()
        self.deferred = self.nudges = 0
        self.claimed: Counter[Action] = Counter()
        self.probability: defaultdict[Action, float] = defaultdict(float)
        self.verdicts: Counter[tuple[Action, Verdict]] = Counter()

    def add(self, decision: Decision, row: Row) -> None:
        """Counts one comment."""
        action = decision.action
        self.actions[action] += 1
        self.deferred += decision.why in ("disagreement", "missing_score")
        self.nudges += decision.nudge is not None
        score = row.scores.get(CLAIMS[action], math.nan) if action in CLAIMS else math.nan
        if not math.isnan(score):
            self.claimed[action] += 1
            self.probability[action] += score
        if row.verdict is not None:
            self.verdicts[action, row.verdict] += 1

    def made(self) -> Side:
        """The sums as they are shown."""
        expected = {action: Share.made(self.probability[action], self.claimed[action]) for action in CLAIMS}
        return Side(
            {action: self.actions[action] for action in ACTIONS},
            self.deferred,
            self.nudges,
            expected,
            self._agreement(),
        )

    def _agreement(self) -> Agreement | None:
        decided = self.verdicts.total()
        if not decided:
            return None
        stopped = sum(count for (action, _), count in self.verdicts.items() if action in RESTRICTING)
        removed = sum(count for (_, verdict), count in self.verdicts.items() if verdict == "remove")
        both = sum(self.verdicts[action, "remove"] for action in RESTRICTING)
        wrongly = self.verdicts["reject", "keep"] + self.verdicts["reject", "feature"]
        return Agreement(decided, Share.made(both, stopped), Share.made(both, removed), wrongly)


def _decision(policy: Policy, row: Row) -> Decision:
    facts = row.facts
    first = Facts(facts.section, facts.author, facts.story, facts.links, first_attempt=True)
    return decide(policy, row.scores, first)


def _example(row: Row, before: Decision, after: Decision) -> Example:
    text = row.text
    if text is not None and len(text) > EXCERPT:
        text = text[: EXCERPT - 1] + "…"
    return Example(
        id=row.id,
        old=before.action,
        new=after.action,
        old_reasons=tuple(explain(before)),
        new_reasons=tuple(explain(after)),
        text=text,
        scores={name: score for name, score in row.scores.items() if not math.isnan(score)},
        state=row.state,
        verdict=row.verdict,
    )


def _side(side: Side) -> dict[str, Any]:
    agreement = side.agreement
    return {
        "actions": {action: {"count": count, "share": side.share(action)} for action, count in side.actions.items()},
        "deferred": side.deferred,
        "nudges": side.nudges,
        "expected": {action: _share(share) for action, share in side.expected.items()},
        "agreement": agreement
        and {
            "decided": agreement.decided,
            "removed": _share(agreement.removed),
            "caught": _share(agreement.caught),
            "wrongly_rejected": agreement.wrongly_rejected,
        },
    }


def _share(share: Share) -> dict[str, float | int | None]:
    return {"of": share.of, "value": share.value, "low": share.low, "high": share.high}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
