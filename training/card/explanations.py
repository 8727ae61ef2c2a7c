"""How faithful word-level reasons are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import interval, percent, table

RANKINGS = ("occlusion", "random", "longest first")


def explanations(result: Mapping[str, Any]) -> str:
    """Comprehensiveness and sufficiency of occlusion and its rivals."""
    rows = [
        (f"`{item['attribute']}`", item["source"], measure, *(interval(item[name][measure]) for name in RANKINGS))
        for item in result["sets"]
        for measure in ("comprehensiveness", "sufficiency")
    ]
    shares = ", ".join(percent(share) for share in result["shares"])
    return (
        "## Word-level reasons\n\nBy occlusion, on request: a word's contribution is how far the score falls "
        "without it. "
        "Comprehensiveness, the fall without the\nwords named first, should be high; sufficiency, the fall if only "
        "they are "
        f"left, low (means over {shares} of the words;\nDeYoung et al. 2020). On the comments with the highest "
        "scores, of at "
        f"most {result['most_words']} words:\n\n" + table(("attribute", "set", "measure", *RANKINGS), rows)
    )
