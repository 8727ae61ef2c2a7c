"""Wikipedia talk pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labels.sources.licences import CC0_TEXT_BY_SA
from labels.sources.source import Source, derived, graded, number, share

JIGSAW_CITATION = "Wulczyn, Thain, Dixon (2017): Ex Machina: Personal Attacks Seen at Scale. WWW; Jigsaw (2018)."
SIX = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


def report(row: Mapping[str, Any]) -> float | None:
    """Severe toxicity, threats and identity hate break any house rules; plain rudeness often does."""
    found = {column: number(row, column) for column in SIX}
    if any(value is None for value in found.values()):
        return None
    if found["severe_toxic"] or found["threat"] or found["identity_hate"]:
        return 1.0
    return 0.6 if found["toxic"] or found["insult"] else 0.0


WIKIPEDIA = (
    Source(
        name="wikipedia_six_labels",
        title="Jigsaw Toxic Comment Classification, six labels",
        home="https://www.kaggle.com/c/jigsaw-toxic-comment-classification-challenge",
        citation=JIGSAW_CITATION,
        licence=CC0_TEXT_BY_SA,
        targets=(
            share("toxicity", "toxic"),
            share("incivility", "toxic"),
            share("severe_toxicity", "severe_toxic"),
            share("profanity", "obscene"),
            share("threat", "threat"),
            share("insult", "insult"),
            share("identity_attack", "identity_hate"),
            derived("report_worthy", SIX, report, "severe, threat or identity hate -> 1, toxic or insult -> 0.6"),
        ),
        unknown="the subtle attributes, sexual explicitness and constructiveness",
    ),
    Source(
        name="wikipedia_toxic",
        title="Jigsaw Toxic Comment Classification, toxic only",
        citation=JIGSAW_CITATION,
        licence=CC0_TEXT_BY_SA,
        targets=(share("toxicity", "toxic"), graded("incivility", "toxic", no=0.03, yes=1.0)),
        unknown="every detail attribute; toxic rows are over-represented and nothing marks a natural part",
    ),
)
