"""Disguised and dressed-up comments, and words that only look bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card.markdown import interval, number, percent, signed, table, verdict

KNOWN = """The network was trained on copies of training rows that were disguised in some of these ways
(training/augment.py), and the normal form, which undoes others, was chosen by other comments than these. A disguise of
another kind may cost more."""


def robustness(result: Mapping[str, Any]) -> str:
    """AUC lost by perturbation, and innocent words."""
    rows = [
        (
            item["name"],
            number(item["auc"]),
            signed(item["lost"]),
            verdict(item["met"]),
            percent(item["same_normal_form"]),
            f"{item['mean_change_toxic']:+.3f}",
            f"{item['mean_change_harmless']:+.3f}",
        )
        for item in result["perturbations"]
    ]
    words = result["innocent_words"]
    raised = "; ".join(
        f"`{name}` {', '.join(item['raised']) or 'none'} (at most {item['most']:+.3f})"
        for name, item in words["attributes"].items()
    )
    return (
        f"## Robustness\n\n{result['rows']:,} held-out comments of {result['source']} ({result['positives']} "
        "toxic), harmless "
        "and toxic ones perturbed alike. Where words are\ndisguised, it is the up to "
        f"{result['suspects']} words of a comment that a word model finds most toxic. AUC of "
        f"`{result['attribute']}` on the clean "
        f"comments: {interval(result['clean'])};\nthe bar is a loss of at most {result['bar']:g}. *Undone*: the "
        "share of "
        "comments whose normal form is that of the clean comment.\n\n"
        + KNOWN
        + "\n\n"
        + table(("perturbation", "AUC", "lost", "bar", "undone", "toxic scores move", "harmless ones"), rows)
        + f"\n\nScunthorpe: {words['words']} innocent words that contain others, in {words['sentences']} "
        "innocent "
        f"sentences; raised by more than {words['raised_by']:g} over\nplain words in the same sentences: {raised}."
    )
