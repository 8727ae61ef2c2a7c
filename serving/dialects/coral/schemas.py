"""What Coral asks, as far as it is read, and what it may be answered.

Coral drops a whole answer for one null, one empty string or an empty `tags`: a key without a value is left
out. Unknown keys it strips, so `evenhand` explains the answer to whoever looks at the wire.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Status = Literal["APPROVED", "REJECTED", "SYSTEM_WITHHELD"]  # NONE is left out: it would bypass premoderation
Reason = Literal["COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"]
Code = Literal[
    "OFFENSIVE",
    "ABUSIVE",
    "SPAM",
    "BANNED_WORD",
    "AD",
    "ILLEGAL_CONTENT",
    "HARASSMENT_BULLYING",
    "MISINFORMATION",
    "HATE_SPEECH",
    "IRRELEVANT_CONTENT",
    "OTHER",
]
CODES: tuple[Code, ...] = get_args(Code)


class Message(BaseModel):
    """Base: camelCase on the wire, unknown members ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class CommentBody(Message):
    """The comment, in the format that the phase is set to."""

    body: str = ""


class Author(Message):
    """Who wrote it; the role is COMMENTER, MEMBER, STAFF, MODERATOR or ADMIN."""

    role: str | None = None


class SiteName(Message):
    """The site of Coral that it stands on."""

    id: str


class ModerationRequest(Message):
    """A comment that is about to be published or edited. What else Coral sends is not read."""

    comment: CommentBody
    author: Author = Author()
    site: SiteName


class Flag(Message):
    """An action on the comment: a report by the system."""

    action_type: Literal["FLAG"] = "FLAG"
    reason: Reason = "COMMENT_DETECTED_TOXIC"


class RejectionReason(Message):
    """Why it is rejected; the texts reach the author. `custom_reason` names the reason that OTHER is."""

    code: Code
    detailed_explanation: str | None = Field(None, min_length=1)
    custom_reason: str | None = Field(None, min_length=1)


class ModerationAction(Message):
    """The record and the author's notice of a rejection. Coral sends the notice whatever the status, so it only
    ever goes with REJECTED.
    """

    status: Literal["REJECTED"] = "REJECTED"
    rejection_reason: RejectionReason


class Explanation(Message):
    """Which model, rule and scores an answer rests on; a rule may ask for no score. Coral strips it."""

    model: str
    version: str
    rule: int
    attribute: str | None = None
    score: float | None = None
    threshold: float | None = None
    scores: dict[str, float]


class ModerationAnswer(Message):
    """What to do with the comment. Coral takes each key by itself; no opinion is 204 without a body."""

    status: Status | None = None
    actions: list[Flag] | None = Field(None, min_length=1)
    tags: list[Literal["FEATURED"]] | None = Field(None, min_length=1)
    moderation_action: ModerationAction | None = None
    evenhand: Explanation | None = None

    def wire(self) -> str:
        """The JSON to send: nothing that is not set."""
        return self.model_dump_json(by_alias=True, exclude_none=True)
