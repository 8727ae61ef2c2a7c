"""Which cases a moderator wants to see: the fields above the queue, carried along in addresses from case to case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from labels import taxonomy
from serving.console.desk import Visitor
from serving.moderation import sites
from serving.moderation.queue import Filters
from serving.moderation.reasons import REASONS
from serving.moderation.tables import Case, Comment, Site, Story

LEVELS = ("0.3", "0.5", "0.7", "0.9")  # of "at least"
SKIPPED = 50  # cases passed over that are remembered; then the first ones come again


@dataclass(frozen=True, slots=True)
class Wanted:
    """A choice of cases, empty where all are wanted, and those that were passed over."""

    site: str = ""
    section: str = ""
    reason: str = ""
    attribute: str = ""
    at_least: str = ""
    escalated: str = ""
    skip: tuple[str, ...] = ()

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Wanted:
        """From an address or a form; what cannot be is left out."""
        attribute = fields.get("attribute", "")
        known = attribute in taxonomy.load().names
        level = fields.get("at_least", "")
        return cls(
            site=fields.get("site", "")[:64],
            section=fields.get("section", "")[:100],
            reason=fields.get("reason", "") if fields.get("reason", "") in REASONS else "",
            attribute=attribute if known else "",
            at_least=(level if level in LEVELS else "0.5") if known else "",
            escalated="yes" if fields.get("escalated") == "yes" else "",
            skip=tuple(one for one in fields.get("skip", "").split(".") if one.isalnum())[-SKIPPED:],
        )

    @classmethod
    def parse(cls, query: str) -> Wanted:
        """From what `query` wrote."""
        return cls.read(dict(parse_qsl(query[:4000], max_num_fields=50)))

    def passed_over(self, case: str) -> Wanted:
        """The same without a case for now."""
        return replace(self, skip=(*(one for one in self.skip if one != case), case)[-SKIPPED:])

    @property
    def afresh(self) -> Wanted:
        """The same with nothing passed over."""
        return replace(self, skip=())

    @property
    def narrows(self) -> bool:
        """Whether anything but what was passed over is left out."""
        return self.afresh != Wanted()

    @property
    def query(self) -> str:
        """The same for an address, without the question mark; empty if nothing is chosen."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "skip" and getattr(self, name)}
        if self.skip:
            fields["skip"] = ".".join(self.skip)
        return urlencode(fields)

    def to(self, path: str, **more: str) -> str:
        """An address that carries the choice."""
        query = "&".join(part for part in (self.query, urlencode(more)) if part)
        return f"{path}?{query}" if query else path

    def filters(self, who: Visitor, claimed: bool | None = None) -> Filters:
        """The same for the queue. What is escalated is not a moderator's any more."""
        escalated = True if self.escalated else False if who.role == "moderator" else None
        return Filters(
            section=self.section or None,
            reason=self.reason or None,
            attribute=self.attribute or None,
            at_least=float(self.at_least or 0),
            escalated=escalated,
            claimed=claimed,
        )


def sites_of(session: Session, who: Visitor, wanted: Wanted | None = None) -> list[Site]:
    """The sites that someone works on, or of these the one that is wanted."""
    return [
        site
        for site in sites.every(session)
        if who.sees(site.id) and (wanted is None or not wanted.site or site.id == wanted.site)
    ]


def sections_of(session: Session, site_ids: list[str]) -> list[str]:
    """The sections that there are open cases in."""
    statement = (
        select(Story.section)
        .join(Comment, Comment.story_id == Story.id)
        .join(Case, Case.comment_id == Comment.id)
        .where(Case.site_id.in_(site_ids), Case.closed_at.is_(None), Story.section.is_not(None))
        .distinct()
        .order_by(Story.section)
    )
    return [section for section in session.scalars(statement) if section]
