"""Comments on news articles: the domain that the service is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labels.sources.licences import CC0, CC_BY_NC_SA, TREATED_AS_NC
from labels.sources.source import (
    Hub,
    Marks,
    RuleError,
    Source,
    Target,
    chosen,
    derived,
    graded,
    judged,
    number,
    scaled,
    share,
)

CIVIL_CITATION = (
    "Borkan, Dixon, Sorensen, Thain, Vasserman (2019): Nuanced Metrics for Measuring Unintended Bias "
    "with Real Data for Text Classification. WWW Companion."
)


def marked_share(attribute: str, kind: str) -> Target:
    """Share of the annotators who marked at least one span of `kind` in Toxic Spans' `spans` column."""

    def read(row: Mapping[str, Any]) -> float | None:
        annotators = number(row, "annotators", 1, 10_000)
        cell = row.get("spans")
        if annotators is None or cell is None or cell == "":
            return None
        try:
            who = {mark[3] for mark in json.loads(cell) if mark[2] == kind}
        except (ValueError, TypeError, LookupError):
            raise RuleError("spans", "expected JSON [[start, end, type, annotation], ...]") from None
        return min(1.0, len(who) / annotators)

    return derived(attribute, ("annotators", "spans"), read, f"share of annotators with a {kind} span")


def crowd_personal(row: Mapping[str, Any]) -> float | None:
    """C3 asked for kinds of toxicity as tick boxes; an insult is an attack or abuse, whichever is higher."""
    attack, abuse = number(row, "tox_personal_attack"), number(row, "tox_abusive")
    return None if attack is None or abuse is None else max(attack, abuse)


def specific(row: Mapping[str, Any]) -> float | None:
    """Reasoning: specific points or evidence, whichever more annotators ticked."""
    points, evidence = number(row, "con_specific_points"), number(row, "con_evidence")
    return None if points is None or evidence is None else max(points, evidence)


def offsets(row: Mapping[str, Any]) -> list[tuple[int, int]] | None:
    """Runs of the character offsets that SemEval's `spans` column lists, as places [start, end)."""
    cell = row.get("spans")
    if cell is None:
        return None
    rule = "expected JSON: a list of character offsets"
    try:
        numbers = json.loads(cell)
    except (ValueError, TypeError):
        raise RuleError("spans", rule) from None
    if not isinstance(numbers, list) or not all(type(place) is int and place >= 0 for place in numbers):
        raise RuleError("spans", rule)
    runs: list[tuple[int, int]] = []
    for place in sorted(set(numbers)):
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def complement(attribute: str, column: str, top: float) -> Target:
    """`top` x (1 - column)."""

    def read(row: Mapping[str, Any]) -> float | None:
        value = number(row, column)
        return None if value is None else top * (1 - value)

    how = f"1 - {column}" if top == 1 else f"{top:g} x (1 - {column})"
    return derived(attribute, (column,), read, how)


NEWS = (
    Source(
        name="civil_comments",
        title="Civil Comments (Jigsaw Unintended Bias 2019)",
        home="https://huggingface.co/datasets/google/civil_comments",
        citation=CIVIL_CITATION,
        licence=CC0,
        targets=(
            share("toxicity", "toxic"),
            graded("incivility", "toxic", no=0.05, yes=1.0),
            graded("report_worthy", "toxic", no=0.03, yes=0.7),
        ),
        unknown="every detail attribute; the raters' shares (only the majority is given)",
        natural=lambda row: number(row, "is_random") == 1,
        optional=frozenset({"is_random"}),
        hub=Hub(
            name="google/civil_comments",
            split="train",
            text="text",
            targets=(
                share("toxicity", "toxicity"),
                share("severe_toxicity", "severe_toxicity"),
                share("profanity", "obscene"),
                share("threat", "threat"),
                share("insult", "insult"),
                share("identity_attack", "identity_attack"),
                share("sexually_explicit", "sexual_explicit"),
            ),
        ),
    ),
    Source(
        name="c3",
        title="Constructive Comments Corpus",
        home="https://www.kaggle.com/mtaboada/c3-constructive-comments-corpus",
        citation="Kolhatkar, Thain, Sorensen, Dixon, Taboada (2020): Classifying Constructive Comments. "
        "arXiv:2004.05476.",
        licence=TREATED_AS_NC,
        targets=(
            share("constructive", "constructive"),
            derived("reasoning", ("con_specific_points", "con_evidence"), specific, "specific points or evidence"),
            share("personal_story", "con_personal_story"),
            share("sarcastic", "noncon_sarcastic"),
            share("antagonistic", "noncon_provocative"),
            share("dismissive", "noncon_no_respect"),
            derived("insult", ("tox_personal_attack", "tox_abusive"), crowd_personal, "personal attack or abusive"),
            scaled("incivility", "crowd_toxicity_level", 1, 3, bounds=(1, 4)),
        ),
        unknown="toxicity in the sense of the other sets; the attributes that its tick boxes do not name",
        group="article_id",
    ),
    Source(
        name="ucc_val",
        title="Unhealthy Comments Corpus, validation part",
        home="https://github.com/conversationai/unhealthy-conversations",
        citation="Price, Gifford-Moore, Fleming, Musker, Roichman, Sylvain, Thain, Dixon, Sorensen (2020): "
        "Six Attributes of Unhealthy Conversations. WOAH.",
        licence=CC_BY_NC_SA,
        targets=(
            judged("antagonistic", "antagonise", "antagonise:confidence"),
            judged("condescending", "condescending", "condescending:confidence"),
            judged("dismissive", "dismissive", "dismissive:confidence"),
            judged("hostile", "hostile", "hostile:confidence"),
            judged("sarcastic", "sarcastic", "sarcastic:confidence"),
            judged("unfair_generalisation", "generalisation_unfair", "generalisation_unfair:confidence"),
            judged("incivility", "healthy", "healthy:confidence", inverted=True),
        ),
        unknown="whether a moderator would act; toxicity, insult and the rest of the coarse attributes",
    ),
    Source(
        name="ucc_train_healthy",
        title="Unhealthy Comments Corpus, training part (healthy or not)",
        home="https://github.com/conversationai/unhealthy-conversations",
        citation="Price et al. (2020), as above.",
        licence=CC_BY_NC_SA,
        targets=(complement("incivility", "healthy", 1),),
        unknown="which kind of unhealthiness: the six attributes are not given here",
    ),
    Source(
        name="toxic_spans_annotated",
        title="Civil Comments re-annotated for toxic spans",
        home="https://github.com/ipavlopoulos/toxic_spans",
        citation="Pavlopoulos, Laugier, Xenos, Sorensen, Androutsopoulos (2022): From the Detection of Toxic "
        "Spans in Online Discussions to the Analysis of Toxic-to-Civil Transfer. ACL.",
        licence=CC0,
        targets=(
            complement("toxicity", "not_toxic_share", 1),
            complement("incivility", "not_toxic_share", 1),
            complement("report_worthy", "not_toxic_share", 0.7),
            marked_share("insult", "Insult"),
            marked_share("profanity", "Profane/Obscene"),
            marked_share("threat", "Threat"),
            marked_share("identity_attack", "Identity based Attack"),
        ),
        unknown="anything of comments that no rater ever called toxic: nearly all rows were rated so once",
    ),
    Source(
        name="toxic_spans_semeval",
        title="SemEval-2021 Task 5, toxic spans",
        home="https://github.com/ipavlopoulos/toxic_spans",
        citation="Pavlopoulos, Sorensen, Laugier, Androutsopoulos (2021): SemEval-2021 Task 5. SemEval.",
        licence=CC0,
        targets=(),
        unknown="every attribute of a whole comment: each was chosen for being toxic, and only its words are marked",
        marks=Marks("toxicity", ("spans",), offsets, "characters that annotators marked as toxic"),
    ),
    Source(
        name="civil_comments_full",
        title="Civil Comments with all columns, one day of 2017",
        home="https://huggingface.co/datasets/google/civil_comments",
        citation=CIVIL_CITATION,
        licence=CC0,
        targets=(
            chosen(
                "report_worthy",
                "rating",
                {"approved": 0.0, "rejected": 1.0},
                "the sites' own moderation: rejected",
            ),
            share("toxicity", "target"),
            share("severe_toxicity", "severe_toxicity"),
            share("profanity", "obscene"),
            share("identity_attack", "identity_attack"),
            share("insult", "insult"),
            share("threat", "threat"),
            share("sexually_explicit", "sexual_explicit"),
        ),
        unknown="constructiveness and the subtle attributes",
        group="article_id",
        evaluation_only=True,
    ),
)
