"""A backtest on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serving.policy.backtest import ACTIONS, CLAIMS, Example, Report, Share, Side
from serving.policy.rules import Action
from serving.tables import plain

EXCERPT = 160  # characters


def show(console: Console, report: Report, old: str, new: str) -> None:
    """Prints a report; `old` and `new` are what to call the two policies."""
    if not report.rows:
        console.print("No comments to test it on.")
        return
    total = f"{report.rows:,} comments" if report.rows != 1 else "1 comment"
    console.print(
        Text(f"{total}: {report.changed:,} ({_percent(report.changed / report.rows)}) would be treated otherwise")
    )
    console.print(_matrix(report, old, new))
    console.print(_actions(report, old, new))
    for name, side in ((old, report.old), (new, report.new)):
        for line in _lines(name, side):
            console.print(Text(line), soft_wrap=True)
    for (before, after), examples in report.examples.items():
        console.print(Text(f"\n{before} → {after}: {report.matrix[before, after]:,}", style="bold"))
        for example in examples:
            _example(console, example)


def _matrix(report: Report, old: str, new: str) -> Table:
    """Comments by action, the old policy's down, the new one's across; unused actions left out."""
    used = [action for action in ACTIONS if report.old.actions[action] or report.new.actions[action]]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(f"{old} ↓  {new} →"), no_wrap=True)
    for action in used:
        table.add_column(action, justify="right", no_wrap=True)
    for before in used:
        counts = [report.matrix.get((before, after), 0) for after in used]
        cells = [
            Text(f"{count:,}" if count else "·", "" if a == before else "bold")
            for a, count in zip(used, counts, strict=True)
        ]
        table.add_row(before, *cells)
    return table


def _actions(report: Report, old: str, new: str) -> Table:
    """Shares and expected precision by action."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("action", old, new, "expected of it", old, new):
        table.add_column(Text(name), justify="left" if name in ("action", "expected of it") else "right", no_wrap=True)
    for action in ACTIONS:
        if not (report.old.actions[action] or report.new.actions[action]):
            continue
        table.add_row(
            action,
            *(f"{side.actions[action]:,} ({_percent(side.share(action))})" for side in (report.old, report.new)),
            CLAIMS.get(action, ""),
            *(_expected(side, action) for side in (report.old, report.new)),
        )
    return table


def _lines(name: str, side: Side) -> list[str]:
    lines: list[str] = []
    if side.deferred:
        lines.append(f"{name}: {side.deferred:,} are left to a person because rules disagree or scores are missing")
    if side.nudges:
        lines.append(f"{name}: {side.nudges:,} authors would first be asked to reword")
    if side.agreement:
        found = side.agreement
        lines.append(
            f"{name}: of {found.removed.of:,} decided comments that it holds, flags or rejects, moderators removed "
            f"{_share(found.removed)}"
        )
        lines.append(
            f"{name}: of {found.caught.of:,} that moderators removed, it holds, flags or rejects {_share(found.caught)}"
        )
        if found.wrongly_rejected:
            lines.append(f"{name}: it would reject {found.wrongly_rejected:,} that moderators kept")
    return lines


def _example(console: Console, example: Example) -> None:
    said = f" (moderators: {example.verdict})" if example.verdict else ""
    text = plain(example.text, EXCERPT) if example.text else "no text kept"
    console.print(Text(f"  {plain(example.id, 40)}{said}: {text}"), soft_wrap=True)
    # The draft's reasons explain a new measure; where the draft drops one, the old policy's say which.
    reasons = example.new_reasons if example.new != "accept" else example.old_reasons
    console.print(Text(f"    {plain(' '.join(reasons))}", style="dim"), soft_wrap=True)


def _expected(side: Side, action: Action) -> str:
    return _share(side.expected[action]) if action in CLAIMS else ""


def _share(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "none"
    return f"{_percent(share.value)} ({share.low:.0%}–{share.high:.0%})".replace("%", " %").replace("  %", " %")


def _percent(value: float) -> str:
    return f"{value * 100:.1f} %"
