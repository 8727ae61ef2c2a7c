"""The model beside others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import interval, number, signed, table
from training.published import published


def peers(result: Mapping[str, Any]) -> str:
    """AUCs on the same rows, where we lose, and what was published on other rows."""
    name = f"{result['peer']['name']} {result['peer']['version']}"
    rows = [
        (
            f"`{item['attribute']}`",
            f"{item['source']}{' *' if item['kind'] == 'evaluation only' else ''}",
            interval(item["ours"]),
            number(item["profanity"]),
            signed(item["gain"]),
            number(item["words"]),
            number(item["length"]),
        )
        for item in result["sets"]
    ]
    lost = [
        f"`{item['attribute']}` on {item['source']}"
        for item in result["sets"]
        if max(item[key] or 0.0 for key in ("profanity", "words", "length")) >= item["ours"]["value"]
    ]
    ucc = published("ucc")
    others = [
        (f"`{item['attribute']}`", item["positives"], interval(item["ours"]), number(item["bert"]), _standing(item))
        for item in result["published"]
    ]
    return (
        f"## Peers\n\nROC AUC on the same held-out rows (* evaluation only). {name} is a word model that is "
        "installed in "
        "practice; it gives\none score, compared with each attribute that it might be used for. TF-IDF with logistic "
        "regression was trained on our\ntraining rows.\n\n"
        + table(("attribute", "set", "this model", name, "gain over it", "TF-IDF + LR", "length"), rows)
        + (
            f"\n\nThis model is **not** the best for {', '.join(lost)}."
            if lost
            else "\n\nThis model is the best on each line."
        )
        + f"\n\nPublished: {ucc['models'][0]} on other rows of the Unhealthy Comments Corpus ({ucc['citation']}); "
        "the source is "
        f"{ucc['source']}.\nThe rows differ, so that small differences mean nothing.\n\n"
        + table(("attribute", "positives here", "this model", ucc["models"][0], ""), others)
    )


def _standing(item: Mapping[str, Any]) -> str:
    if item["ours"]["value"] >= item["bert"]:
        return "above"
    return "below, within the interval" if item["ours"]["high"] >= item["bert"] else "**below**"
