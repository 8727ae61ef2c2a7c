"""Why a comment is removed: the codes of the house rules, in words, and what the DSA's database calls them.

Categories and keywords are those of the DSA transparency database, https://transparency.dsa.ec.europa.eu/page/api-documentation.
Which of them fits a house rule is a judgement; docs/dsa.md has the table, for the publisher's lawyer to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """`words` name it to moderators; `told` completes "Your comment was removed because it …" for its author.

    `illegal`: removed for breaking the law, not the house rules.
    """

    words: str
    told: str
    category: str
    keyword: str | None = None
    illegal: bool = False


_HARM, _TERMS = "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH", "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
_CYBER, _PRIVACY = "STATEMENT_CATEGORY_CYBER_VIOLENCE", "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS"
_CIVIC = "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS"

REASONS: Mapping[str, Reason] = {
    "offensive": Reason("Offensive or obscene language", "uses offensive or obscene language", _TERMS),
    "abusive": Reason(
        "Insults or harasses somebody", "insults or harasses somebody", _CYBER, "KEYWORD_CYBER_HARASSMENT"
    ),
    "hateful": Reason(
        "Hate against a group", "attacks people for the group they belong to", _HARM, "KEYWORD_HATE_SPEECH"
    ),
    "threatening": Reason(
        "Threatens somebody", "threatens or intimidates somebody", _CYBER, "KEYWORD_CYBER_BULLYING_INTIMIDATION"
    ),
    "spam": Reason("Spam or advertising", "is spam or advertising", _TERMS),
    "off_topic": Reason("Off topic", "is not about the subject of the discussion", _TERMS),
    "personal_information": Reason(
        "Somebody's personal information", "gives away somebody's personal information", _PRIVACY,
        "KEYWORD_MISSING_PROCESSING_GROUND",
    ),
    "illegal": Reason("Illegal", "is illegal", _HARM, illegal=True),
    "misleading": Reason(
        "False or misleading", "states as a fact what is false or misleading", _CIVIC,
        "KEYWORD_MISINFORMATION_DISINFORMATION",
    ),
    "other": Reason("Another house rule", "breaks another of the house rules", _TERMS),
}  # fmt: skip
