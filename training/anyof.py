"""Labels which tell that a comment has one of several attributes at least, but not which (`labels.sources.AnyOf`).

The chance of the label is taken to be a noisy or of the attributes' (Pearl 1988, Probabilistic Reasoning in Intelligent
Systems, 4.3.2): `1 - (1 - rest) * product of (1 - chance * probability)`. Its few numbers are fitted on rows that have
both the label and all of the attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labels.sources import SOURCES

STEPS = 200  # of L-BFGS, which ends much earlier
LEAST = 1e-4  # of a probability, so that one wrong label is not infinitely surprising


@dataclass(frozen=True)
class Link:
    """How the label `whole` follows from the attributes `parts`, all of them columns.

    `chances` float32 [parts] are the label's chances where one of them alone is present, `rest` its chance where none
    is; `groups` [sources] are the numbers of the sources whose rows have the label without the attributes.
    """

    whole: int
    parts: tuple[int, ...]
    chances: Tensor
    rest: float
    groups: Tensor

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
        """Cross-entropy of the label under the attributes' logits, over the rows of those sources; mean over all rows.

        Shapes: logits and labels [rows, attributes], weights and groups [rows]. An unknown label has no gradient.
        """
        chances = self.chances.to(logits.device)
        rows = torch.isin(groups, self.groups.to(logits.device)) & ~torch.isnan(labels[:, self.whole])
        label = labels[rows, self.whole]
        likely = chance(torch.sigmoid(logits[rows][:, list(self.parts)].float()), chances, self.rest)
        losses = -(label * likely.log() + (1 - label) * (1 - likely).log())
        return (losses * weights[rows]).sum() / len(labels)


def chance(present: Tensor, chances: Tensor, rest: Tensor | float) -> Tensor:
    """The label's chance [rows] where the attributes are present with these probabilities [rows, attributes]."""
    return (1 - (1 - rest) * (1 - chances * present).prod(dim=1)).clamp(LEAST, 1 - LEAST)


def link(sources: Sequence[str], labels: Tensor, attributes: tuple[str, ...], groups: Tensor) -> Link | None:
    """The link for training rows with these sources, labels [rows, attributes] (NaN = unknown) and groups [rows].

    None if no source has such a label, or no row has it together with all of its attributes. Raises ValueError if two
    sources' labels stand for different attributes.
    """
    declared = {name: found for name in dict.fromkeys(sources) if (found := SOURCES[name].any_of)}
    if not declared:
        return None
    if len(set(declared.values())) > 1:
        raise ValueError(f"{', '.join(declared)}: their labels stand for different attributes")
    (label,) = set(declared.values())
    if not {label.whole, *label.parts} <= set(attributes):
        return None
    whole, parts = attributes.index(label.whole), tuple(attributes.index(part) for part in label.parts)
    both = ~torch.isnan(labels[:, [whole, *parts]]).any(dim=1)
    if not both.any():
        return None
    chances, rest = fit(labels[both][:, list(parts)], labels[both, whole])
    numbers = [int(groups[list(sources).index(name)]) for name in declared]
    return Link(whole, parts, chances, rest, torch.tensor(numbers))


def fit(parts: Tensor, whole: Tensor) -> tuple[Tensor, float]:
    """Chances [attributes] and the rest by maximum likelihood, from shares [rows, attributes] and [rows]."""
    raw = torch.zeros(parts.shape[1] + 1, requires_grad=True)  # logits of the chances, and last of the rest
    optimiser = torch.optim.LBFGS([raw], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        likely = chance(parts, torch.sigmoid(raw[:-1]), torch.sigmoid(raw[-1]))
        found = -(whole * likely.log() + (1 - whole) * (1 - likely).log()).mean()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    fitted = torch.sigmoid(raw.detach())
    return fitted[:-1], float(fitted[-1])
