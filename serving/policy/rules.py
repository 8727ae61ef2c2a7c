"""One rule: an action, and what a comment must be like for it. Policies and Coral's file are lists of these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from serving.policy.facts import Fact

# accept: publish. hold: a person decides before it is published. flag: published, and a person looks at it.
# reject: not published. feature: worth an editor's praise.
Action = Literal["accept", "hold", "flag", "reject", "feature"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Bound = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]

NUDGE = (
    "Your comment may go against our house rules. You can change it now; sent as it is, it waits until a moderator has "
    "read it."
)


def _listed(value: Any) -> Any:
    """One name for a list of one."""
    return [value] if isinstance(value, str) else value


def _nudged(value: Any) -> Any:
    """`true` for the usual words."""
    if isinstance(value, bool):
        return NUDGE if value else None
    return value


Names = Annotated[tuple[Name, ...], Field(min_length=1), BeforeValidator(_listed)]
Nudge = Annotated[Words | None, BeforeValidator(_nudged)]


class Table(BaseModel):
    """Base of the file's tables: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Range(Table):
    """`at_least` <= a number < `below`, either bound optional; both 0 or more."""

    at_least: Amount | None = None
    below: Amount | None = None

    @property
    def span(self) -> tuple[float, float]:
        """The range, the end exclusive; infinity where it is open at the top."""
        return self.at_least or 0.0, math.inf if self.below is None else self.below


Condition = Range | tuple[str, ...] | bool


class AuthorConditions(Table):
    """What the author must be like; facts.AuthorFacts says what each is."""

    comments: Range | None = None
    rejected: Range | None = None
    account_days: Range | None = None
    role: Names | None = None


class StoryConditions(Table):
    """What the story must be like; facts.StoryFacts says what each is."""

    age_hours: Range | None = None
    comments: Range | None = None
    premoderated: StrictBool | None = None


class Rule(Table):
    """An action for comments whose score of `attribute` is in a range (`at_least` <= score < `below`, either bound
    optional) and of whom all conditions on facts are true. Without an attribute the facts alone count; without
    anything it is for every comment.
    """

    attribute: str | None = None
    at_least: Bound | None = None
    below: Bound | None = None
    section: Names | None = Field(None, description="one of these")
    author: AuthorConditions = AuthorConditions()
    story: StoryConditions = StoryConditions()
    links: Range | None = None
    action: Action
    reason: Words | None = Field(None, description="why, in words that the comment's author may be shown")
    nudge: Nudge = Field(None, description="true or words: the author is first asked to reword")

    @property
    def span(self) -> tuple[float, float]:
        """The range of scores, 0..1, the end exclusive; infinity where it is open at the top."""
        return self.at_least or 0.0, math.inf if self.below is None else self.below

    @property
    def threshold(self) -> float:
        """The bound to name in an explanation: `at_least`, or `below` where there is no other."""
        return self.span[1] if self.at_least is None else self.at_least

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """The conditions on facts, by the facts' dotted names."""
        every: dict[str, Condition | None] = {
            "section": self.section,
            **{f"author.{name}": getattr(self.author, name) for name in AuthorConditions.model_fields},
            **{f"story.{name}": getattr(self.story, name) for name in StoryConditions.model_fields},
            "links": self.links,
        }
        return {name: condition for name, condition in every.items() if condition is not None}

    def matches(self, score: float) -> bool:
        """Whether a score is in the range."""
        low, high = self.span
        return low <= score < high

    def applies(self, known: Mapping[str, Fact]) -> bool:
        """Whether all conditions on facts are met; one on a fact that is not known is not."""
        return all(name in known and _met(condition, known[name]) for name, condition in self.conditions.items())


def _met(condition: Condition, fact: Fact) -> bool:
    if isinstance(condition, Range):
        low, high = condition.span
        return not isinstance(fact, str) and low <= fact < high
    if isinstance(condition, tuple):
        return isinstance(fact, str) and fact.casefold() in (name.casefold() for name in condition)
    return fact is condition
