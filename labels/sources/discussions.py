"""Discussions, moderation decisions, incivility and argument quality outside the news."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labels.sources.licences import (
    APACHE_COLLECTION,
    BSD_3,
    COMPETITION,
    GPL_3,
    MIT_LABELS,
    NONE_STATED,
    RESEARCH,
)
from labels.sources.source import Source, derived, graded, number, scaled, share


def youtube_report(row: Mapping[str, Any]) -> float | None:
    """House rules forbid threats and hate outright; other abuse is upheld more often than not."""
    threat, hate, abusive = (number(row, c) for c in ("IsThreat", "IsHatespeech", "IsAbusive"))
    if threat is None or hate is None or abusive is None:
        return None
    return 1.0 if threat or hate else 0.6 * abusive


DISCUSSIONS = (
    Source(
        name="cmv_moderation",
        title="ChangeMyView threads with moderators' removals",
        home="https://github.com/UKPLab/naacl2018-before-name-calling-habernal-et-al",
        citation="Habernal, Wachsmuth, Gurevych, Stein (2018): Before Name-Calling: Dynamics and Triggers of "
        "Ad Hominem Fallacies in Web Argumentation. NAACL.",
        licence=APACHE_COLLECTION,
        targets=(
            share("report_worthy", "removed_rule2"),
            share("incivility", "removed_rule2"),
            share("hostile", "removed_rule2"),
        ),
        # `pos` is 3 exactly where a comment was removed: it is never a feature, nor part of the text.
        unknown="toxicity as raters see it; constructiveness (a delta rewards persuasion of one person)",
        group="thread",
    ),
    Source(
        name="appropriateness",
        title="Appropriateness Corpus",
        home="https://github.com/timonziegenbein/appropriateness-corpus",
        citation="Ziegenbein, Syed, Lange, Potthast, Wachsmuth (2023): Modeling Appropriate Language in "
        "Argumentation. ACL.",
        licence=NONE_STATED,
        targets=(share("report_worthy", "Toxic Emotions"),),
        unknown="its other reasons (unclear, off topic, not committed) are no offence against house rules",
        group="issue",
    ),
    Source(
        name="kaggle_insults",
        title="Detecting Insults in Social Commentary (Impermium, 2012)",
        home="https://www.kaggle.com/c/detecting-insults-in-social-commentary",
        citation="Impermium (2012): Detecting Insults in Social Commentary. Kaggle competition.",
        licence=COMPETITION,
        # The contest asked for insults of a participant: whoever else is insulted was labelled 0.
        targets=(
            share("attack_on_commenter", "insult"),
            share("insult", "insult"),
            graded("incivility", "insult", no=0.05, yes=1.0),
        ),
        unknown="report-worthiness: insults of people outside the conversation were labelled 0",
    ),
    Source(
        name="mupid",
        title="Multidimensional political incivility",
        home="https://huggingface.co/datasets/incivility-UOH/TwitCivility",
        citation="Pendzel, Lotan, Zoizner, Minkov (2023): Detecting Multidimensional Political Incivility on Social "
        "Media. arXiv:2305.14964.",
        licence=NONE_STATED,
        targets=(
            share("incivility", "uncivil"),
            graded("identity_attack", "intolerant", no=0.0, yes=0.6),
        ),
        unknown="`impolite` and `intolerant` of some rows; what a moderator would do",
    ),
    Source(
        name="theocharis",
        title="Incivility toward politicians",
        home="https://github.com/pablobarbera/incivility-sage-open",
        citation="Theocharis, Barberá, Fazekas, Popa (2020): The Dynamics of Political Incivility on Twitter. "
        "SAGE Open.",
        licence=GPL_3,
        targets=(share("incivility", "uncivil"),),
        unknown="everything but incivility",
    ),
    Source(
        name="sarcasm_v2",
        title="Sarcasm Corpus V2",
        citation="Oraby, Harrison, Reed, Hernandez, Riloff, Walker (2016): Creating and Characterizing a Diverse "
        "Corpus of Sarcasm in Dialogue. SIGDIAL.",
        licence=RESEARCH,
        targets=(share("sarcastic", "sarc"),),
        unknown="everything but sarcasm; half of the rows are sarcastic, by design",
    ),
    Source(
        name="ruddit",
        title="Ruddit",
        home="https://github.com/hadarishav/Ruddit",
        citation="Hada, Sudhir, Mishra, Yannakoudakis, Mohammad, Shutova (2021): Ruddit: Norms of Offensiveness "
        "for English Reddit Comments. ACL.",
        licence=MIT_LABELS,
        targets=(scaled("toxicity", "offens", 0.0, 0.8, bounds=(-1, 1)),),
        unknown="which kind of offence; below 0 the scale orders supportive comments, which toxicity does not",
    ),
    Source(
        name="youtube_toxicity",
        title="YouTube comments",
        citation="YouTube Toxicity Data (2019): 1,000 labelled comments.",
        licence=NONE_STATED,
        targets=(
            share("toxicity", "IsToxic"),
            share("incivility", "IsToxic"),
            share("insult", "IsAbusive"),
            share("profanity", "IsObscene"),
            share("threat", "IsThreat"),
            share("identity_attack", "IsHatespeech"),
            derived(
                "report_worthy",
                ("IsThreat", "IsHatespeech", "IsAbusive"),
                youtube_report,
                "threat or hate -> 1, other abuse -> 0.6, none -> 0",
            ),
        ),
        unknown="the subtle attributes",
    ),
    Source(
        name="stanford_politeness",
        title="Stanford Politeness Corpus",
        citation="Danescu-Niculescu-Mizil, Sudhof, Jurafsky, Leskovec, Potts (2013): A computational approach to "
        "politeness. ACL.",
        licence=APACHE_COLLECTION,
        targets=(),
        unknown="every attribute",
        left_out="it ranks requests to strangers by politeness; a curt request is not uncivil, and nearly none "
        "of the rows is",
    ),
    Source(
        name="reddit_incivility",
        title="Reddit incivility",
        citation="Davidson, Sun, Wojcieszak (2020): Developing a New Classifier for Automated Identification of "
        "Incivility in Social Media. ALW.",
        licence=BSD_3,
        targets=(share("incivility", "uncivil"),),
        unknown="everything but incivility",
        evaluation_only=True,
    ),
)
