"""How the model does on the taxonomy's own examples: sentences that may be printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from labels.taxonomy import Taxonomy
from serving.scorer import Scorer
from training.network import Network

SHOWN = 12


def texts(taxonomy: Taxonomy) -> list[str]:
    """Every example of the taxonomy, attribute by attribute, those that have it first."""
    return [text for attribute in taxonomy.attributes for text in (*attribute.present, *attribute.absent)]


def torch_scores(network: Network, fp32: Scorer, taxonomy: Taxonomy) -> dict[str, Any]:
    """The torch network's calibrated scores of the examples, each scored alone.

    The served int8 model is tested against them. `fp32` lends tokenizer and calibration; the examples
    are far shorter than a window.
    """
    network.eval()
    logits = []
    with torch.inference_mode():
        for text in texts(taxonomy):
            ids = torch.tensor([fp32.token_ids(text)])
            logits.append(network(ids, torch.ones_like(ids))[0].numpy())
    scores = fp32.calibrate(np.stack(logits))
    return {"texts": texts(taxonomy), "scores": [[round(float(v), 4) for v in row] for row in scores]}


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
