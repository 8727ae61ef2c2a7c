"""Attribute names as Perspective's clients write them, and the taxonomy's attributes behind them."""

from __future__ import annotations

from dataclasses import dataclass

from labels import taxonomy

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
