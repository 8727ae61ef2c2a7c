"""What is known about a comment besides its scores: its section, its author, its story, the links in it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Fact = str | bool | int | float
LINK = re.compile(r"https?://\S|\bwww\.\S", re.IGNORECASE)


class FactError(ValueError):
    """A fact is of a wrong kind. `name` is its dotted name, `rule` what is expected; the message has both."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name}: {rule}")
        self.name, self.rule = name, rule


@dataclass(frozen=True, slots=True)
class AuthorFacts:
    """Of who wrote it, before this comment. None: not known, so that no condition on it is met.

    comments: how many so far, 0 or more. rejected: how many of them were rejected or removed. account_days: age of
    the account, 0 or more. role: a word of the site's own, such as subscriber; case does not matter.
    """

    comments: int | None = None
    rejected: int | None = None
    account_days: float | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class StoryFacts:
    """Of the story it stands under, before this comment. None: not known.

    age_hours: since the story was published, 0 or more. comments: how many so far. premoderated: whether an editor
    has asked that each comment of this story be read first.
    """

    age_hours: float | None = None
    comments: int | None = None
    premoderated: bool | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule can ask about besides scores. None: not known.

    section: of the site, such as politics; case does not matter. links: in the text, see `count_links`. first_attempt:
    the author has not been asked to reword this comment yet, and still can be; no rule asks for it.
    """

    section: str | None = None
    author: AuthorFacts = field(default_factory=AuthorFacts)
    story: StoryFacts = field(default_factory=StoryFacts)
    links: int | None = None
    first_attempt: bool = False

    @property
    def known(self) -> dict[str, Fact]:
        """The facts that are known, by the names that rules use; numbers, truth values and words only, fit for JSON."""
        every: dict[str, Fact | None] = {
            "section": self.section,
            "author.comments": self.author.comments,
            "author.rejected": self.author.rejected,
            "author.account_days": self.author.account_days,
            "author.role": self.author.role,
            "story.age_hours": self.story.age_hours,
            "story.comments": self.story.comments,
            "story.premoderated": self.story.premoderated,
            "links": self.links,
        }
        return {name: fact for name, fact in every.items() if fact is not None}

    @classmethod
    def of(cls, known: Mapping[str, object]) -> Facts:
        """The facts of such a mapping: what `known` gave, or a table's columns. None is not known; other names are
        ignored. Raises FactError for a value of a wrong kind.
        """
        return cls(
            section=_word(known, "section"),
            author=AuthorFacts(
                _count(known, "author.comments"),
                _count(known, "author.rejected"),
                _amount(known, "author.account_days"),
                _word(known, "author.role"),
            ),
            story=StoryFacts(
                _amount(known, "story.age_hours"), _count(known, "story.comments"), _truth(known, "story.premoderated")
            ),
            links=_count(known, "links"),
        )


# Facts by name, and how each is said of a comment.
PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "section": "section",
        "author.comments": "comments by the author so far",
        "author.rejected": "rejected comments by the author",
        "author.account_days": "days since the author's account was made",
        "author.role": "author's role",
        "story.age_hours": "hours since the story was published",
        "story.comments": "comments on the story so far",
        "story.premoderated": "premoderated story",
        "links": "links in the text",
    }
)


def count_links(text: str) -> int:
    """How many web addresses a text holds: http://, https:// or www., in any case; `http://www.` is one."""
    return sum(1 for _ in LINK.finditer(text))


def _word(known: Mapping[str, object], name: str) -> str | None:
    value = known.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise FactError(name, f"expected words, found {type(value).__name__}")
    return value.strip() or None


def _count(known: Mapping[str, object], name: str) -> int | None:
    value = _amount(known, name)
    if value is not None and value != int(value):
        raise FactError(name, "expected a whole number")
    return None if value is None else int(value)


def _amount(known: Mapping[str, object], name: str) -> float | None:
    value = known.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise FactError(name, "expected a number, 0 or more")
    return float(value)


def _truth(known: Mapping[str, object], name: str) -> bool | None:
    value = known.get(name)
    if value is not None and not isinstance(value, bool):
        raise FactError(name, "expected true or false")
    return value
