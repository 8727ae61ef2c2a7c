"""Hate and offence: identity attacks, and the look-alikes that must not be taken for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labels.sources.licences import CC0, CC_BY, MIT
from labels.sources.source import Hub, Source, Target, choice, chosen, derived, graded, number, share


def hate_targets(column: str, *, no: float) -> tuple[Target, ...]:
    """Hate is an identity attack, toxic, report-worthy and uncivil, however politely it is worded.

    `no` is the share of the set's non-hateful rows that offend in another way, estimated from how the
    set was gathered: adversarial and keyword-sampled sets hold more of them than plain samples do.
    """
    return (
        share("identity_attack", column),
        graded("toxicity", column, no=no, yes=0.9),
        graded("report_worthy", column, no=no, yes=1.0),
        graded("incivility", column, no=no, yes=1.0),
    )


SEXIST = {"sexist": 1.0, "not sexist": 0.0}
HATEFUL = {"hateful": 1.0, "non-hateful": 0.0}


def sexist_threat(row: Mapping[str, Any]) -> float | None:
    """EDOS names threats only among sexist posts; of the others nothing is known."""
    category = row["label_category"]
    if not choice(row, "label_sexist", SEXIST) or not category:
        return None
    return float(str(category).startswith("1."))


def gab_report(row: Mapping[str, Any]) -> float | None:
    """Dehumanising or calling for violence -> 1; merely vulgar -> 0.6."""
    hd, cv, vo = (number(row, column) for column in ("hd", "cv", "vo"))
    if hd is None or cv is None or vo is None:
        return None
    return 1.0 if hd or cv else 0.6 if vo else 0.05


def gab_uncivil(row: Mapping[str, Any]) -> float | None:
    """Dehumanising or calling for violence -> 1; vulgar mostly is disrespectful too; the rest was not looked for."""
    hd, cv, vo = (number(row, column) for column in ("hd", "cv", "vo"))
    if hd is None or cv is None or vo is None:
        return None
    return 1.0 if hd or cv else 0.7 if vo else 0.1


def bias_frame(row: Mapping[str, Any]) -> float | None:
    """Offensive to annotators and aimed at a named group."""
    offensive, groups = number(row, "offensiveYN"), row["targetCategory"]
    if offensive is None or not groups:
        return None
    return 0.0 if groups == "[]" else offensive


def hate_score(row: Mapping[str, Any]) -> float | None:
    """The hub original's continuous scale: above 0.5 is hate, below -1 is counter-speech or support."""
    score = number(row, "hate_speech_score", -20, 20)
    return None if score is None else float(score > 0.5)


HATE = (
    Source(
        name="measuring_hate_speech",
        title="Measuring Hate Speech",
        home="https://huggingface.co/datasets/ucberkeley-dlab/measuring-hate-speech",
        citation="Kennedy, Bacon, Sahn, von Vacano (2020): Constructing interval variables via faceted Rasch "
        "measurement. arXiv:2009.10277.",
        licence=CC_BY,
        targets=hate_targets("hate", no=0.15),
        unknown="insults, profanity and threats apart from hate",
        hub=Hub(
            name="ucberkeley-dlab/measuring-hate-speech",
            split="train",
            text="text",
            targets=(derived("identity_attack", ("hate_speech_score",), hate_score, "hate_speech_score > 0.5"),),
        ),
    ),
    Source(
        name="dynahate",
        title="Dynamically Generated Hate Speech",
        home="https://github.com/bvidgen/Dynamically-Generated-Hate-Speech-Dataset",
        citation="Vidgen, Thrush, Waseem, Kiela (2021): Learning from the Worst. ACL.",
        licence=CC_BY,
        targets=hate_targets("hate", no=0.15),
        unknown="offence that is not hate: the non-hateful rows may be abusive",
    ),
    Source(
        name="edos",
        title="Explainable Detection of Online Sexism",
        home="https://github.com/rewire-online/edos",
        citation="Kirk, Yin, Vidgen, Röttger (2023): SemEval-2023 Task 10. SemEval.",
        licence=CC0,
        targets=(
            chosen("identity_attack", "label_sexist", SEXIST, "sexist"),
            chosen("report_worthy", "label_sexist", {"sexist": 1.0, "not sexist": 0.1}, "sexist: 0 -> 0.1, 1 -> 1"),
            derived("threat", ("label_sexist", "label_category"), sexist_threat, "category 1, of sexist posts"),
        ),
        unknown="offence other than sexism",
    ),
    Source(
        name="gab_hate_corpus",
        title="Gab Hate Corpus",
        citation="Kennedy, Atari, Davani et al. (2022): Introducing the Gab Hate Corpus. LREC journal.",
        licence=CC_BY,
        targets=(
            share("identity_attack", "hd"),
            share("threat", "cv"),
            share("profanity", "vo"),
            derived("report_worthy", ("hd", "cv", "vo"), gab_report, "hd or cv -> 1, vo -> 0.6, none -> 0.05"),
            derived("incivility", ("hd", "cv", "vo"), gab_uncivil, "hd or cv -> 1, vo -> 0.7, none -> 0.1"),
        ),
        unknown="insults without vulgarity",
    ),
    Source(
        name="sbic",
        title="Social Bias Inference Corpus, development and test parts",
        citation="Sap, Gabriel, Qin, Jurafsky, Smith, Choi (2020): Social Bias Frames. ACL.",
        licence=CC_BY,
        targets=(
            share("toxicity", "offensiveYN"),
            share("sexually_explicit", "sexYN"),
            derived(
                "identity_attack",
                ("offensiveYN", "targetCategory"),
                bias_frame,
                "offensive and aimed at a group",
            ),
            graded("report_worthy", "offensiveYN", no=0.05, yes=0.9),
            graded("incivility", "offensiveYN", no=0.05, yes=0.9),
        ),
        unknown="profanity and threats",
    ),
    Source(
        name="misogyny_reddit",
        title="Online misogyny on Reddit",
        home="https://github.com/ellamguest/online-misogyny-eacl2021",
        citation="Guest, Vidgen, Mittos, Sastry, Tyson, Margetts (2021): An Expert Annotated Dataset for the "
        "Detection of Online Misogyny. EACL.",
        licence=MIT,
        targets=(share("identity_attack", "misog"), graded("report_worthy", "misog", no=0.1, yes=1.0)),
        unknown="offence other than misogyny",
    ),
    Source(
        name="hatemoji_build",
        title="HatemojiBuild",
        home="https://github.com/HannahKirk/Hatemoji",
        citation="Kirk, Vidgen, Röttger, Thrush, Hale (2022): Hatemoji. NAACL.",
        licence=CC_BY,
        targets=hate_targets("hate", no=0.1),
        unknown="offence that is not hate",
    ),
    Source(
        name="hatecheck",
        title="HateCheck",
        home="https://github.com/paul-rottger/hatecheck-data",
        citation="Röttger, Vidgen, Nguyen, Waseem, Margetts, Pierrehumbert (2021): HateCheck: Functional Tests "
        "for Hate Speech Detection Models. ACL.",
        licence=CC_BY,
        targets=(
            chosen("identity_attack", "label_gold", HATEFUL, "hateful"),
            chosen("report_worthy", "label_gold", HATEFUL, "hateful"),
            chosen("toxicity", "label_gold", HATEFUL, "hateful"),
        ),
        unknown="everything but hate",
        evaluation_only=True,
    ),
    Source(
        name="openai_moderation",
        title="OpenAI moderation evaluation set",
        home="https://github.com/openai/moderation-api-release",
        citation="Markov, Zhang, Agarwal et al. (2023): A Holistic Approach to Undesired Content Detection. AAAI.",
        licence=MIT,
        targets=(share("sexually_explicit", "S"), share("identity_attack", "H"), share("hostile", "HR")),
        unknown="a category that a row leaves empty; violence and self-harm, which no attribute assesses",
        evaluation_only=True,
    ),
)
