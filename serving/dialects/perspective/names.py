"""Attribute names as Perspective's clients write them, and the taxonomy's attributes behind them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from labels import taxonomy
from serving.dialects.perspective.errors import PerspectiveError

MOST = 100  # attributes of one request: more than there are names

# Names that Perspective has or had and that no head of ours covers. docs/perspective.md says why.
UNCOVERED = frozenset(
    {
        "ATTACK_ON_AUTHOR",
        "ATTACK_ON_PUBLISHER",
        "FLIRTATION",
        "INCOHERENT",
        "OFF_TOPIC",
        "SPAM",
        "UNSUBSTANTIAL",
        "AFFINITY_EXPERIMENTAL",
        "COMPASSION_EXPERIMENTAL",
        "CURIOSITY_EXPERIMENTAL",
        "NUANCE_EXPERIMENTAL",
        "RESPECT_EXPERIMENTAL",
        "ALIENATION_EXPERIMENTAL",
        "FEARMONGERING_EXPERIMENTAL",
        "GENERALIZATION_EXPERIMENTAL",
        "MORAL_OUTRAGE_EXPERIMENTAL",
        "SCAPEGOATING_EXPERIMENTAL",
        "POWER_APPEAL_EXPERIMENTAL",
    }
)
EXPERIMENTAL = "_EXPERIMENTAL"


@dataclass(frozen=True)
class Wanted:
    """An attribute as asked for (`wire`, which the answer mirrors) and as we call it (None: no head)."""

    wire: str
    attribute: str | None


def check_number(asked: Collection[str]) -> None:
    """Raises PerspectiveError for more than MOST: with `NAME@version` there is no end of names, each of which is
    answered with every span.
    """
    if len(asked) > MOST:
        raise PerspectiveError(f"Too many attributes: {len(asked)}, at most {MOST}")


def resolve(wire: str) -> Wanted | None:
    """What a requested name stands for; None for a name that Perspective never had.

    `NAME@version` pins a version at Google; there is one version of each head here, so it is only mirrored.
    The `_EXPERIMENTAL` twin of a production name is that name.
    """
    name = wire.partition("@")[0]
    known = taxonomy.load()
    for candidate in (name, name.removesuffix(EXPERIMENTAL)):
        if found := known.by_wire("perspective", candidate):
            return Wanted(wire, found.name)
    return Wanted(wire, None) if name in UNCOVERED else None
