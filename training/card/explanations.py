"""How well the model marks toxic words, and how faithful word-level reasons are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import interval, percent, table
from training.published import published

RANKINGS = ("occlusion", "random", "longest first")
BAR = 0.65  # of F1


def marks(result: Mapping[str, Any]) -> str:
    """F1 of the characters that the model marks, beside rivals."""
    rows = [(name, interval(value)) for name, value in result["f1"].items()]
    theirs = published("spans")
    met = "met" if result["f1"]["model"]["value"] >= BAR else "**missed**"
    return (
        f"## Marked words\n\nA head on the tokens marks the words that are evidence of `{result['attribute']}` "
        f"(probability at least {result['threshold']:g}, chosen on\ndevelopment rows). F1 of characters, mean over "
        f"{result['rows']:,} held-out comments of SemEval-2021 Task 5, in {result['unmarked']} of which people\nmarked "
        f"nothing; the word list holds {result['listed']:,} words that were marked in most of their places in training "
        f"rows. The bar is {BAR}:\n{met}. {theirs['what']}: {theirs['f1']:g} ({theirs['source']}).\n\n"
        + table(("marked by", "F1"), rows)
    )


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
