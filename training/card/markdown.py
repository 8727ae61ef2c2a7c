"""Tables and numbers in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a line of headings."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def interval(value: Mapping[str, float]) -> str:
    """A value with its 95 % interval, to three decimals."""
    return f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"


def signed(value: Mapping[str, float]) -> str:
    """A difference with its 95 % interval, to three decimals, with signs."""
    return f"{value['value']:+.3f} ({value['low']:+.3f}–{value['high']:+.3f})"


def number(value: float | None) -> str:
    """To three decimals; a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def short(value: float | None) -> str:
    """To two decimals; a dash for None."""
    return "–" if value is None else f"{value:.2f}"


def percent(value: float | None, places: int = 0) -> str:
    """A share in per cent; a dash for None."""
    return "–" if value is None else f"{100 * value:.{places}f} %"


def verdict(met: bool) -> str:
    """Whether a bar is met."""
    return "met" if met else "**missed**"
