"""Decisions, appeals and feedback as labelled rows, in the schema that training reads (docs/your-own-data.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from labels import taxonomy
from serving.moderation.tables import Appeal, Comment, Decision, Revision
from serving.store import Feedback

Provenance = Literal["live", "bulk", "appeal", "feedback"]
# How much a label counts in training. One looked at by two people counts most; of a range decided at a stroke only
# samples were looked at; feedback comes from another system, and what its moderators knew is not known here.
WEIGHTS: dict[Provenance, float] = {"appeal": 2.0, "live": 1.0, "feedback": 0.7, "bulk": 0.5}
# Removals whose reason a reader of the text alone can see. The others teach nothing about the text.
SEEN_IN_THE_TEXT = frozenset({"offensive", "abusive", "hateful", "threatening", "personal_information", "illegal"})
CORAL = "Coral:"  # how Coral's communityId begins; its feedback says what a moderator decided, not how toxic it was


@dataclass(frozen=True)
class Label:
    """One labelled comment. `values`: `decision`, `featured`, or an attribute's name with a share of 0..1.

    `story` ties rows of one article together; `at` is the moment of the decision or feedback.
    """

    text: str
    values: dict[str, Any]
    story: str | None
    provenance: Provenance
    at: datetime

    @property
    def weight(self) -> float:
        """How much it counts in training."""
        return WEIGHTS[self.provenance]

    def row(self) -> dict[str, Any]:
        """The row of the export: nothing in it names a person."""
        return {
            "text": self.text,
            **self.values,
            "story": self.story,
            "weight": self.weight,
            "provenance": self.provenance,
            "at": self.at.isoformat(),
        }


def export(session: Session, site: str | None = None, since: datetime | None = None) -> Iterator[Label]:
    """Labels of a site, or of all, oldest first: each comment's last decision that stands, then feedback.

    What was undone, and what was erased or never stored, has no row; a decision overturned on appeal has the row of
    what the appeal found. Feedback belongs to no site, so that it comes only without one.
    """
    yield from decided(session, site, since)
    if site is None:
        yield from fed_back(session, since)


def decided(session: Session, site: str | None = None, since: datetime | None = None) -> Iterator[Label]:
    """Labels of moderators' decisions and of appeals."""
    later = aliased(Decision)
    wanted: list[ColumnElement[bool]] = [*stands(Decision), Revision.text.is_not(None)]
    wanted.append(~exists().where(later.comment_id == Decision.comment_id, later.at > Decision.at, *stands(later)))
    if site is not None:
        wanted.append(Decision.site_id == site)
    if since is not None:
        wanted.append(Decision.at >= since)
    rows = session.execute(
        select(Decision, Revision.text, Comment.story_id, Appeal.decided_at)
        .join(Comment, Comment.id == Decision.comment_id)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Decision.revision))
        .outerjoin(Appeal, Appeal.decision_id == Decision.id)
        .where(*wanted)
        .order_by(Decision.at, Decision.id)
        .execution_options(yield_per=500)
    )
    for decision, text, story, appealed in rows:
        values = _values(decision)
        if values:
            tie = None if story is None else f"{decision.site_id}/{story}"
            provenance: Provenance = "appeal" if appealed else "bulk" if decision.bulk_id else "live"
            yield Label(text or "", values, tie, provenance, appealed or decision.at)


def fed_back(session: Session, since: datetime | None = None) -> Iterator[Label]:
    """Labels of `suggestscore` feedback on whole texts, under the attribute that the client's name stands for.

    Coral sends 0 for approved and 1 for rejected, whatever attribute it is set to: that is a decision.
    """
    names = {wire: attribute.name for attribute in taxonomy.load().attributes for wire in attribute.perspective}
    wanted: list[ColumnElement[bool]] = [Feedback.begin.is_(None)]
    if since is not None:
        wanted.append(Feedback.created_at >= since)
    for row in session.scalars(select(Feedback).where(*wanted).order_by(Feedback.id).execution_options(yield_per=500)):
        if (row.community_id or "").startswith(CORAL):
            values: dict[str, Any] = {"decision": "rejected" if row.value >= 0.5 else "accepted"}
        elif row.attribute in names:
            values = {names[row.attribute]: row.value}
        else:
            continue
        yield Label(row.text, values, row.story_url, "feedback", row.created_at)


def stands(decision: type[Decision]) -> tuple[ColumnElement[bool], ...]:
    """Made by a person (a key stands for one), final, and not undone."""
    return (
        decision.actor.in_(("moderator", "key")),
        decision.action.in_(("keep", "remove", "feature")),
        decision.undone_at.is_(None),
    )


def _values(decision: Decision) -> dict[str, Any]:
    if decision.overturned_at is not None:
        return {"decision": "accepted"}
    if decision.action == "remove":
        return {"decision": "rejected"} if decision.reason in SEEN_IN_THE_TEXT else {}
    return {"decision": "accepted"} | ({"featured": True} if decision.action == "feature" else {})
