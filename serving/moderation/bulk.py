"""Decisions on many cases at one stroke: those within a range of scores, and never one that nobody has counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation import audit, decisions, sites, verdicts
from serving.moderation.problems import ModerationError, conflict, invalid
from serving.moderation.tables import Case, Comment, Decision, Report, Site, Story, Verdict, new_id
from serving.moderation.verdicts import By, Grounds, Stroke
from serving.store import now

MOST = 1000  # cases at one stroke: the database's other writers wait for it


@dataclass(frozen=True, slots=True)
class Range:
    """Open cases of a site whose comment scores `at_least` <= score < `below` for an attribute, 0..1; 1 includes 1.

    `section` and `reason` narrow it down; escalated cases are left out, and so are those claimed by another.
    """

    attribute: str
    at_least: float = 0.0
    below: float = 1.0
    section: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """An open case with the revision that stands and its score."""

    case: str
    revision: int
    score: float


@dataclass(frozen=True, slots=True)
class Bulk:
    """What was decided, and the ids of the cases that were left alone, each with the code of the problem."""

    id: str
    decisions: Sequence[Decision]
    left: Mapping[str, str]


def select_range(session: Session, site_id: str, wanted: Range, by: By) -> list[Selected]:
    """The open cases of a range, highest score first. Comments without such a score are in none.

    Raises ModerationError for a range that is none.
    """
    if not 0 <= wanted.at_least < wanted.below <= 1:
        raise invalid("below", "expected 0 <= at_least < below <= 1")
    at = now()
    query = (
        select(Case, Comment)
        .join(Comment, Comment.id == Case.comment_id)
        .where(Case.site_id == site_id, Case.closed_at.is_(None), Case.escalated.is_(False))
    )
    if wanted.section is not None:
        query = query.join(Story, Story.id == Comment.story_id).where(Story.section == wanted.section)
    if wanted.reason is not None:
        stands = (Report.reason == wanted.reason, Report.withdrawn_at.is_(None), Report.upheld.is_(None))
        query = query.where(Case.id.in_(select(Report.case_id).where(*stands)))
    free = [
        (case, comment)
        for case, comment in session.execute(query.order_by(Comment.id))
        if case.claimed_by in (None, by.moderator_id) or (case.leased_until or at) <= at
    ]
    found = []
    for start in range(0, len(free), MOST):  # a bounded number of parameters in one statement
        some = free[start : start + MOST]
        scores = verdicts.latest_scores(session, [comment.id for _, comment in some])
        for case, comment in some:
            score = scores[comment.id][1].get(wanted.attribute) if comment.id in scores else None
            top = wanted.below == 1 and score == 1
            if score is not None and (wanted.at_least <= score < wanted.below or top):
                found.append(Selected(case.id, comment.revision, score))
    return sorted(found, key=lambda one: (-one.score, one.case))


def decide_bulk(
    session: Session,
    site_id: str,
    cases: Mapping[str, int],
    verdict: Verdict,
    by: By,
    *,
    reason: str | None = None,
    note: str | None = None,
) -> Bulk:
    """Decides the cases named, each with the revision that was seen (or counted), at one stroke with one audit entry.

    What has been decided, claimed by another, escalated or reworded since is left alone and told.
    Raises ModerationError for bad fields, more than MOST cases, and somebody who may not decide here.
    """
    grounds = Grounds(verdict, reason, note)
    grounds.check()
    if not 1 <= len(cases) <= MOST:
        raise invalid("cases", f"expected 1 to {MOST:,} cases")
    decisions.admit(session, by, site_id)
    fresh = {"populate_existing": True}
    within = select(Case.comment_id).where(Case.id.in_(cases), Case.site_id == site_id)
    locked = select(Comment).where(Comment.id.in_(within)).order_by(Comment.id).with_for_update()
    comments = {comment.id: comment for comment in session.scalars(locked, execution_options=fresh)}
    chosen = select(Case).where(Case.id.in_(cases), Case.site_id == site_id).order_by(Case.comment_id, Case.id)
    scores = verdicts.latest_scores(session, comments)
    stroke, made, left = Stroke(by, now(), new_id()), [], dict.fromkeys(cases, "unknown_case")
    for case in list(session.scalars(chosen.with_for_update(), execution_options=fresh)):
        comment = comments[case.comment_id]
        try:
            if case.escalated:
                raise conflict("escalated", "case", "it is escalated; it deserves a look")
            scored = scores.get(comment.id)
            made.append(verdicts.apply(session, case, comment, grounds, stroke, scored, cases[case.id]))
        except ModerationError as problem:
            left[case.id] = problem.code
        else:
            del left[case.id]
    site = session.get_one(Site, site_id)
    sites.touch(site)
    details = {"action": verdict, "reason": reason, "decisions": [decision.id for decision in made], "left": len(left)}
    audit.append(session, by.name, "bulk.made", f"bulk:{stroke.bulk_id}", site=site_id, details=details)
    return Bulk(stroke.bulk_id or "", made, left)


def decide_range(
    session: Session,
    site_id: str,
    wanted: Range,
    expected: int,
    verdict: Verdict,
    by: By,
    *,
    reason: str | None = None,
    note: str | None = None,
) -> Bulk:
    """Decides all cases of a range, if they are as many as the caller counted. Raises ModerationError: changed."""
    selected = select_range(session, site_id, wanted, by)
    if len(selected) != expected:
        raise conflict("changed", "count", f"the range holds {len(selected)} cases by now, not {expected}; look again")
    seen = {one.case: one.revision for one in selected}
    return decide_bulk(session, site_id, seen, verdict, by, reason=reason, note=note)
