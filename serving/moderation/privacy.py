"""What is held on a person: exported, erased on request, and forgotten in time.

Erasure takes the texts, names and outside ids; decisions, scores and counts stay, of nobody. The audit log names rows
by their own ids only, so that it stays whole. On SQLite what is erased lies about in the file until
`store.forget()` has rewritten it; callers see to that after their commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, String, and_, cast, delete, func, null, or_, select, update
from sqlalchemy.orm import Session

from serving.moderation import audit, sites, suggested
from serving.moderation.appeals import RESTRICTIONS
from serving.moderation.tables import (
    Appeal,
    Author,
    Case,
    Comment,
    Decision,
    Delivery,
    Hook,
    Report,
    Reporter,
    Revision,
    RevisionScores,
    Site,
    Story,
)
from serving.store import now

Role = Literal["author", "reporter"]
BATCH = 500  # comments in one transaction of `retain`


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: the person, texts of comments, details of reports, appeals. All 0: nothing was held."""

    persons: int = 0
    texts: int = 0
    reports: int = 0
    appeals: int = 0


def erase(session: Session, site_id: str, role: Role, person: str, actor: str) -> Erased:
    """Erases somebody by the id that the comment system gave, as an author or as a reporter. Again: nothing is left.

    An author's open cases are closed, because there is nothing left to decide on.
    """
    row = _find(session, site_id, role, person)
    _from_outbox(session, site_id, person)
    if row is None:
        return Erased()
    erased = _author(session, row) if isinstance(row, Author) else _reporter(session, row)
    row.external_id, row.account_created_at, row.erased_at = None, None, now()
    session.flush()
    sites.touch(session.get_one(Site, site_id))
    audit.append(session, actor, f"{role}.erased", f"{role}:{row.id}", site=site_id)
    return erased


def export(session: Session, site_id: str, role: Role, person: str) -> dict[str, Any] | None:
    """All that is held on somebody, for JSON; None if nothing is. What it says of others is left out."""
    row = _find(session, site_id, role, person)
    if row is None:
        return None
    found: dict[str, Any] = {"site": site_id, "role": role, "id": person, "known_since": row.created_at.isoformat()}
    found["account_created_at"] = _iso(row.account_created_at)
    if isinstance(row, Author):
        return found | {"name": row.name, "comments": _comments(session, row)}
    return found | {"reports": _reports(session, row)}


def retain(session: Session, site: Site, moment: datetime, limit: int = BATCH) -> int:
    """Erases what people wrote longer ago than the site's retention_days, of at most `limit` comments; how many.

    A comment keeps its texts while a case of it is open, an appeal undecided, or an appeal can still come.
    """
    settings = sites.settings(site)
    if settings.retention_days is None:
        return 0
    old = moment - timedelta(days=settings.retention_days)
    restricted = and_(
        Decision.action.in_(RESTRICTIONS), Decision.undone_at.is_(None), Decision.overturned_at.is_(None),
        Decision.at > moment - timedelta(days=settings.appeal_days), Appeal.id.is_(None),
    )  # fmt: skip
    needed = (
        select(Decision.id)
        .outerjoin(Appeal, Appeal.decision_id == Decision.id)
        .where(Decision.comment_id == Comment.id, or_(restricted, Appeal.state == "open"))
    )
    waiting = select(Case.id).where(Case.comment_id == Comment.id, Case.closed_at.is_(None))
    wanted = (
        select(Comment.id)
        .where(Comment.site_id == site.id, _written(old), ~waiting.exists(), ~needed.exists())
        .order_by(Comment.id)
        .limit(limit)
    )
    ids = list(session.scalars(wanted.with_for_update(of=Comment)))
    _texts(session, ids, before=old)
    return len(ids)


def _find(session: Session, site_id: str, role: Role, person: str) -> Author | Reporter | None:
    key = {"site_id": site_id, "external_id": person}
    if role == "author":
        return session.scalars(select(Author).filter_by(**key)).first()
    return session.scalars(select(Reporter).filter_by(**key)).first()


def _author(session: Session, row: Author) -> Erased:
    row.name = None
    comments = list(session.scalars(select(Comment).where(Comment.author_id == row.id).with_for_update()))
    texts = reports = appeals = 0
    for start in range(0, len(comments), BATCH):
        some = comments[start : start + BATCH]
        ids = [comment.id for comment in some]
        theirs = select(Decision.id).where(Decision.comment_id.in_(ids))
        texts += _count(session, select(Revision.id).where(Revision.comment_id.in_(ids), Revision.text.is_not(None)))
        reports += _count(session, select(Report.id).where(Report.comment_id.in_(ids), Report.details.is_not(None)))
        appeals += _count(session, select(Appeal.id).where(Appeal.decision_id.in_(theirs), Appeal.text.is_not(None)))
        suggested.forget(session, row.id, some)
        _texts(session, ids)
        session.execute(update(Revision).where(Revision.comment_id.in_(ids)).values(digest=None))
        session.execute(delete(Appeal).where(Appeal.decision_id.in_(theirs), Appeal.state == "open"))
        is_open = (Case.comment_id.in_(ids), Case.closed_at.is_(None))
        session.execute(update(Case).where(*is_open).values(closed_at=now(), leased_until=None))
        for comment in some:
            comment.deleted_at = comment.deleted_at or now()
    return Erased(1, texts, reports, appeals)


def _reporter(session: Session, row: Reporter) -> Erased:
    mine = Report.reporter_id == row.id
    count = _count(session, select(Report.id).where(mine, Report.details.is_not(None)))
    session.execute(update(Report).where(mine).values(details=None, notice=null()))
    return Erased(1, reports=count)


def _texts(session: Session, comments: Sequence[int], before: datetime | None = None) -> None:
    """Takes what people wrote in and about comments, or what they wrote before a moment."""

    def old(at: Any) -> tuple[ColumnElement[bool], ...]:
        return () if before is None else (at < before,)

    theirs = select(Decision.id).where(Decision.comment_id.in_(comments))
    session.execute(
        update(Revision).where(Revision.comment_id.in_(comments), *old(Revision.created_at)).values(text=None)
    )
    session.execute(
        update(Report).where(Report.comment_id.in_(comments), *old(Report.at)).values(details=None, notice=null())
    )
    session.execute(update(Decision).where(Decision.comment_id.in_(comments), *old(Decision.at)).values(note=None))
    session.execute(update(Appeal).where(Appeal.decision_id.in_(theirs), *old(Appeal.at)).values(text=None, note=None))


def _written(old: datetime) -> ColumnElement[bool]:
    """Whether a comment has anything in words that is older than a moment."""
    return or_(
        select(Revision.id)
        .where(Revision.comment_id == Comment.id, Revision.created_at < old, Revision.text.is_not(None))
        .exists(),
        select(Report.id).where(Report.comment_id == Comment.id, Report.at < old, Report.details.is_not(None)).exists(),
        select(Report.id)
        .where(Report.comment_id == Comment.id, Report.at < old, Report.reason == "illegal", _present(Report.notice))
        .exists(),
        select(Decision.id)
        .where(Decision.comment_id == Comment.id, Decision.at < old, Decision.note.is_not(None))
        .exists(),
        select(Appeal.id)
        .join(Decision, Decision.id == Appeal.decision_id)
        .where(Decision.comment_id == Comment.id, Appeal.at < old, Appeal.text.is_not(None))
        .exists(),
    )


def _present(column: Any) -> ColumnElement[bool]:
    """Whether a JSON column holds anything: None is written as JSON's null where it is set, and as SQL's where not."""
    return and_(column.is_not(None), cast(column, String) != "null")


def _from_outbox(session: Session, site_id: str, person: str) -> None:
    """Webhooks name no persons; should one do so, what it says of this one is taken out."""
    hooks = select(Hook.id).where(Hook.site_id == site_id)
    said = cast(Delivery.body, String).contains(json.dumps(person), autoescape=True)
    for row in session.scalars(select(Delivery).where(Delivery.hook_id.in_(hooks), said)):
        if row.comment_id is None or row.body.get("comment", {}).get("id") != person:
            row.body = _without(row.body, person)


def _without(value: Any, person: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, person) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, person) for inner in value]
    return None if value == person else value


def _count(session: Session, query: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def _comments(session: Session, author: Author) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Comment, Story)
        .outerjoin(Story, Story.id == Comment.story_id)
        .where(Comment.author_id == author.id)
        .order_by(Comment.id)
    )
    return [
        {
            "id": comment.external_id,
            "story": story.external_id if story else None,
            "parent": comment.parent_external_id,
            "state": comment.state,
            "featured": comment.featured,
            "posted_at": comment.posted_at.isoformat(),
            "revisions": _revisions(session, comment),
            "decisions": _decisions(session, comment),
            "reported": [
                {"reason": report.reason, "at": report.at.isoformat(), "upheld": report.upheld}
                for report in session.scalars(select(Report).filter_by(comment_id=comment.id).order_by(Report.id))
            ],
        }
        for comment, story in rows
    ]


def _revisions(session: Session, comment: Comment) -> list[dict[str, Any]]:
    rows = session.scalars(select(Revision).filter_by(comment_id=comment.id).order_by(Revision.number))
    return [
        {
            "number": row.number,
            "text": row.text,
            "language": row.language,
            "created_at": row.created_at.isoformat(),
            "scores": {
                scored.model: scored.scores
                for scored in session.scalars(select(RevisionScores).filter_by(revision_id=row.id))
            },
        }
        for row in rows
    ]


def _decisions(session: Session, comment: Comment) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Decision, Appeal)
        .outerjoin(Appeal, Appeal.decision_id == Decision.id)
        .where(Decision.comment_id == comment.id)
        .order_by(Decision.at, Decision.id)
    )
    return [
        {
            "id": decision.id,
            "action": decision.action,
            "reason": decision.reason,
            "note": decision.note,
            "automated": decision.actor == "policy",
            "at": decision.at.isoformat(),
            "undone_at": _iso(decision.undone_at),
            "overturned_at": _iso(decision.overturned_at),
            "appeal": appeal
            and {
                "text": appeal.text,
                "state": appeal.state,
                "at": appeal.at.isoformat(),
                "decided_at": _iso(appeal.decided_at),
            },
        }
        for decision, appeal in rows
    ]


def _reports(session: Session, reporter: Reporter) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Report, Comment.external_id)
        .join(Comment, Comment.id == Report.comment_id)
        .where(Report.reporter_id == reporter.id)
        .order_by(Report.id)
    )
    return [
        {
            "comment": comment,
            "revision": report.revision,
            "reason": report.reason,
            "details": report.details,
            "notice": report.notice,
            "at": report.at.isoformat(),
            "withdrawn_at": _iso(report.withdrawn_at),
            "upheld": report.upheld,
            "decided_at": _iso(report.decided_at),
        }
        for report, comment in rows
    ]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
