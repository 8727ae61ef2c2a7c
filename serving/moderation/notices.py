"""Notices of illegal content, as Article 16 of the Digital Services Act (Regulation (EU) 2022/2065) wants them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints, ValidationInfo, field_validator

from serving.moderation.submissions import Part

Email = Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
# What the answer to a notice says: Art. 16(4) asks for a confirmation of receipt without undue delay, 16(5) for the
# decision and redress afterwards, which the comment system sends to the address in the notice.
ACKNOWLEDGEMENT = (
    "Your notice has been received. A person will look at it, and you will be told what was decided if you left an "
    "address."
)


class Notice(Part):
    """Art. 16(2): (a) why it is illegal, (b) where exactly it is, (c) who gives notice, (d) that it is in good faith.

    Name and address may be missing only for offences of Articles 3 to 7 of Directive 2011/93/EU, sexual abuse of
    children: `child_protection`.
    """

    explanation: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    legal_ground: str | None = Field(None, max_length=500, description="the law that it breaks")
    url: str | None = Field(None, max_length=2000, pattern=r"^https?://", description="where exactly it stands")
    good_faith: Literal[True] = Field(description="that the notice is accurate and complete to the best of belief")
    child_protection: StrictBool = False
    name: Line | None = Field(None, validate_default=True)
    email: Email | None = Field(None, validate_default=True)

    @field_validator("name", "email", mode="after")
    @classmethod
    def _somebody(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and not info.data.get("child_protection"):
            raise ValueError("expected; it may be left out with child_protection only (Art. 16(2)(c))")
        return value
