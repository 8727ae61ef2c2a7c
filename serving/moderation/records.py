"""The record that the DSA transparency database takes, with its validator's fields, words and limits.

After https://github.com/digital-services-act/transparency-database, StatementStoreRequest, and its documentation,
https://transparency.dsa.ec.europa.eu/page/api-documentation; of what restricts anything else than one comment (money,
service, account) nothing is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

GROUND, WHY, FACTS, REFERENCE, PUID = 500, 2000, 5000, 500, 500  # characters at most

_OTHER = "KEYWORD_OTHER"
# Those categories that a comment can fall into, with their keywords.
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "STATEMENT_CATEGORY_CYBER_VIOLENCE": (
        "KEYWORD_CYBER_BULLYING_INTIMIDATION", "KEYWORD_CYBER_HARASSMENT", "KEYWORD_CYBER_INCITEMENT",
        "KEYWORD_CYBER_STALKING", "KEYWORD_NON_CONSENSUAL_IMAGE_SHARING", "KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE",
        _OTHER,
    ),
    "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS": (
        "KEYWORD_BIOMETRIC_DATA_BREACH", "KEYWORD_DATA_FALSIFICATION", "KEYWORD_MISSING_PROCESSING_GROUND",
        "KEYWORD_RIGHT_TO_BE_FORGOTTEN", _OTHER,
    ),
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH": (
        "KEYWORD_DEFAMATION", "KEYWORD_DISCRIMINATION", "KEYWORD_HATE_SPEECH", _OTHER,
    ),
    "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS": (
        "KEYWORD_MISINFORMATION_DISINFORMATION", "KEYWORD_VIOLATION_EU_LAW", "KEYWORD_VIOLATION_NATIONAL_LAW", _OTHER,
    ),
    "STATEMENT_CATEGORY_SCAMS_AND_FRAUD": ("KEYWORD_INAUTHENTIC_ACCOUNTS", "KEYWORD_PHISHING", _OTHER),
    "STATEMENT_CATEGORY_VIOLENCE": ("KEYWORD_COORDINATED_HARM", "KEYWORD_INCITEMENT_VIOLENCE_HATRED", _OTHER),
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC": (
        "KEYWORD_ADULT_SEXUAL_MATERIAL", "KEYWORD_GOODS_SERVICES_NOT_PERMITTED", "KEYWORD_LANGUAGE_REQUIREMENTS",
        "KEYWORD_NUDITY", _OTHER,
    ),
}  # fmt: skip
Category = Literal[
    "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    "STATEMENT_CATEGORY_VIOLENCE",
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
]
# The European Economic Area.
Country = Literal[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
]  # fmt: skip
COUNTRIES: tuple[str, ...] = Country.__args__  # type: ignore[attr-defined]
# Of the ISO 639-1 codes that the database takes, those of the Union's official languages and those near them.
LANGUAGES = frozenset(
    (
        "AR", "BG", "CS", "DA", "DE", "EL", "EN", "ES", "ET", "FI", "FR", "GA", "HR", "HU", "IS", "IT", "LT", "LV",
        "MT", "NL", "NO", "PL", "PT", "RO", "RU", "SK", "SL", "SQ", "SR", "SV", "TR", "UK", "ZH",
    )
)  # fmt: skip
Text500 = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=GROUND)]
Text2000 = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WHY)]
From2000 = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2038, 1, 1))]
From2020 = Annotated[date, Field(ge=date(2020, 1, 1), le=date(2038, 1, 1))]


class Record(BaseModel):
    """One statement of reasons, for POST /api/v1/statement. What is None is left out when it is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision_visibility: Annotated[list[Literal["DECISION_VISIBILITY_CONTENT_REMOVED"]], Field(min_length=1)]
    decision_ground: Literal["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"]
    decision_ground_reference_url: Annotated[str, Field(pattern=r"^https?://", max_length=REFERENCE)] | None = None
    illegal_content_legal_ground: Text500 | None = None
    illegal_content_explanation: Text2000 | None = None
    incompatible_content_ground: Text500 | None = None
    incompatible_content_explanation: Text2000 | None = None
    content_type: Annotated[list[Literal["CONTENT_TYPE_TEXT"]], Field(min_length=1)]
    category: Category
    category_specification: list[str] | None = None
    territorial_scope: Annotated[list[Country], Field(min_length=1)] | None = None
    content_language: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    content_date: From2000
    application_date: From2020
    end_date_visibility_restriction: Annotated[date, Field(le=date(2038, 1, 1))] | None = None
    decision_facts: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=FACTS)]
    source_type: Literal["SOURCE_ARTICLE_16", "SOURCE_TYPE_OTHER_NOTIFICATION", "SOURCE_VOLUNTARY"]
    automated_detection: Literal["Yes", "No"]
    automated_decision: Literal[
        "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED"
    ]
    puid: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=PUID)]

    @model_validator(mode="after")
    def _grounded(self) -> Record:
        illegal = self.illegal_content_legal_ground, self.illegal_content_explanation
        incompatible = self.incompatible_content_ground, self.incompatible_content_explanation
        needed, spare = illegal, incompatible
        if self.decision_ground == "DECISION_GROUND_INCOMPATIBLE_CONTENT":
            needed, spare = incompatible, illegal
        if None in needed or spare != (None, None):
            raise ValueError("expected ground and explanation of the decision_ground, and of no other")
        if unknown := set(self.category_specification or ()) - set(CATEGORIES[self.category]):
            raise ValueError(f"{unknown.pop()} is no keyword of {self.category}")
        if self.end_date_visibility_restriction and self.end_date_visibility_restriction < self.application_date:
            raise ValueError("the restriction cannot end before it applies")
        return self

    def json_ready(self) -> dict[str, object]:
        """As the database takes it: without what is None."""
        return self.model_dump(mode="json", exclude_none=True)
