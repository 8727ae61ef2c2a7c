"""How the model does on the taxonomy's own examples: sentences that may be printed."""

from __future__ import annotations

from typing import Any

from labels.taxonomy import Taxonomy
from serving.scorer import Scorer

SHOWN = 12


def check(scorer: Scorer, taxonomy: Taxonomy) -> dict[str, Any]:
    """For each attribute, how many (present, absent) pairs of examples the scores order rightly.

    `failures` holds the worst pairs, at most one an attribute: a sentence without the attribute that
    scores above one that has it.
    """
    pairs: dict[str, dict[str, int]] = {}
    failures: list[dict[str, Any]] = []
    for name in scorer.attributes:
        attribute = taxonomy[name]
        present, absent = (
            sorted((scores[name], text) for scores, text in zip(scorer.score(texts), texts, strict=True))
            for texts in (attribute.present, attribute.absent)
        )
        right = sum(yes > no for yes, _ in present for no, _ in absent)
        pairs[name] = {"right": right, "of": len(present) * len(absent)}
        (low, has), (high, lacks) = present[0], absent[-1]
        if high >= low:
            failures.append(
                {"attribute": name, "has": has, "score": round(low, 3), "lacks": lacks, "scored": round(high, 3)}
            )
    failures.sort(key=lambda failure: failure["score"] - failure["scored"])
    return {"pairs": pairs, "failures": failures[:SHOWN]}
