"""What a comment system sends of a comment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from serving.schemas import MAX_TEXT_BYTES, too_long
from serving.text import visible

YEARS = range(1970, 2200)  # of any moment that is sent; beyond them arithmetic on times can overflow
MAX_STORY_CHARACTERS = 500_000


def _in_utc(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise ValueError(f"expected a year from {YEARS.start} to {YEARS.stop - 1}")
    return moment.astimezone(UTC)


def _scorable(text: str) -> str:
    if rule := too_long(text):
        raise ValueError(rule)
    if not visible(text):
        raise ValueError("expected a visible character")
    return text


def _written(value: object) -> object:
    """Moments are written out: a number could be seconds or milliseconds."""
    if isinstance(value, (int, float)):
        raise ValueError("expected a date and time with its zone, as 2026-01-31T08:00:00Z")
    return value


When = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
OutsideId = Annotated[str, Field(min_length=1, max_length=256)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_scorable)]


class Part(BaseModel):
    """Base of what is sent: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthorPart(Part):
    """Who wrote it. `role` is a word of the site's own that its policy may ask for, such as subscriber."""

    id: OutsideId = Field(description="opaque: no name or address of a person")
    name: str | None = Field(None, max_length=200)
    account_created_at: When | None = None
    role: Word | None = None


class StoryPart(Part):
    """What it is a comment on. What is left out stays as it was sent before."""

    id: OutsideId
    url: str | None = Field(None, max_length=2000, pattern=r"^https?://")
    title: str | None = Field(None, max_length=1000)
    section: Word | None = None
    text: str | None = Field(None, max_length=MAX_STORY_CHARACTERS, description="of the article")
    published_at: When | None = None
    premoderated: StrictBool | None = Field(None, description="whether each comment on it is to be read first")


class Submission(Part):
    """A comment as its system has it now."""

    text: Text = Field(description=f"1 to {MAX_TEXT_BYTES} UTF-8 bytes with a visible character")
    author: AuthorPart | None = None
    parent: OutsideId | None = Field(None, description="id of the comment that it answers")
    story: StoryPart | None = None
    section: Word | None = Field(None, description="short for story.section")
    posted_at: When | None = None
    do_not_store: StrictBool | None = Field(None, description="score and decide, but keep no text; stays until false")
    nudge: StrictBool = Field(False, description="a first attempt, whose author can still reword it")

    @property
    def in_section(self) -> str | None:
        """The section, wherever it was written."""
        return (self.story.section if self.story else None) or self.section
