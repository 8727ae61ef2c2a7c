"""Comments as their system sends them: kept, scored, and decided on by the site's policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from serving import language, policy
from serving.moderation import audit, cases, digests, facts, policies, sites, suggested, verdicts, webhooks
from serving.moderation.problems import missing
from serving.moderation.rows import ensure
from serving.moderation.submissions import StoryPart, Submission
from serving.moderation.tables import (
    Author,
    Case,
    Comment,
    Decision,
    Report,
    Revision,
    RevisionScores,
    Site,
    State,
    Story,
)

STATES: Mapping[policy.Action, State] = {
    "accept": "published",
    "feature": "published",
    "flag": "published",
    "hold": "held",
    "reject": "rejected",
}
# Why a policy that would publish a new wording does not: a person had removed the one before.
REMOVED_BEFORE = "removed_before"


@dataclass(frozen=True, slots=True)
class Given:
    """Scores of a text, calibrated, 0..1 by attribute, and the model that gave them (name and version)."""

    model: str
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission. `changed`: there is a new revision. `case`: opened by it."""

    comment: Comment
    decision: Decision
    changed: bool
    case: Case | None = None


def find(session: Session, site_id: str, external_id: str) -> Comment:
    """A comment by the id that its system gave. Raises ModerationError unknown_comment."""
    found = known(session, site_id, external_id)
    if found is None:
        raise missing("comment", f"there is none {external_id[:64]!r} on {site_id}")
    return found


def known(session: Session, site_id: str, external_id: str) -> Comment | None:
    """The same, None if there is none."""
    return session.scalars(select(Comment).filter_by(site_id=site_id, external_id=external_id)).first()


def settled(session: Session, site_id: str, external_id: str, text: str) -> bool:
    """Whether this text is the comment's already and has scores, so that it need not be scored again."""
    key = digests.key_of(session)
    comment = known(session, site_id, external_id)
    if comment is None or key is None:
        return False
    revision = _revision(session, comment)
    return revision.digest == digests.digest(key, text) and cases.scores_of(session, comment) is not None


def judge(
    session: Session, site_id: str, external_id: str, submission: Submission, given: Given | None, now: datetime
) -> policy.Decision:
    """What the site's policy says of a submission, which is not stored. Missing scores defer to a person."""
    about = facts.of(session, site_id, external_id, submission, now)
    return policies.decide(session, site_id, dict(given.scores) if given else {}, about).decision


def submit(
    session: Session,
    site: Site,
    external_id: str,
    submission: Submission,
    given: Given | None,
    now: datetime,
    *,
    from_reader: bool = False,
) -> Submitted:
    """Keeps a comment and decides on it. The same text again changes what is said about it, no decision: except that
    one without scores is decided again once it has some, unless a person was faster.

    `given` is None if the text could not be scored: then the policy sees no score, and defers to a person wherever it
    asks for one. `from_reader`: it came with a report, from a page: then it changes nothing that is known already.
    The session must be a writing one.
    """
    key = {"site_id": site.id, "external_id": external_id}
    comment, made = ensure(session, Comment, key, revision=0, received_at=now, from_reader=from_reader)
    if from_reader and not made and (latest := latest_decision(session, comment)):
        return Submitted(comment, latest, False)
    about = facts.of(session, site.id, external_id, submission, now)
    _describe(session, comment, submission, from_reader)
    digest = digests.digest(digests.made_key(session), submission.text)
    revision = None if made else _revision(session, comment)
    changed = revision is None or revision.digest != digest
    if revision is None or changed:
        comment.revision += 1
        revision = Revision(comment_id=comment.id, number=comment.revision, digest=digest, created_at=now)
        revision.language = next((found.code[:16] for found in language.detect(submission.text)), None)
        session.add(revision)
        comment.deleted_at = None
    _keep_text(session, comment, revision, submission)
    session.flush()
    latest = None if changed else latest_decision(session, comment)
    unscored = changed or cases.scores_of(session, comment) is None
    if given and unscored:
        _score(session, revision, given, now)
    if latest and not (given and unscored and latest.actor == "policy"):
        return Submitted(comment, latest, False)
    outcome = policies.decide(session, site.id, dict(given.scores) if given else {}, about)
    return _carry_out(session, site, comment, outcome, given, changed, now)


def delete(session: Session, site: Site, comment: Comment, actor: str, now: datetime) -> None:
    """Forgets the text of a comment that its author took back, in scores that were suggested for it too, and closes its
    case: nobody has to decide it now.
    """
    suggested.forget(session, comment.author_id, [comment])
    for revision in session.scalars(select(Revision).filter_by(comment_id=comment.id)):
        revision.text = revision.digest = None
    if comment.deleted_at is None:
        comment.deleted_at = now
        if case := cases.current(session, comment.id):
            case.closed_at = now
        session.flush()
        sites.touch(site)
        audit.append(session, actor, "comment.deleted", f"comment:{comment.id}", site=site.id)


def latest_decision(session: Session, comment: Comment) -> Decision | None:
    """The last decision that holds, else the last one that was undone or overturned."""
    holds = and_(Decision.undone_at.is_(None), Decision.overturned_at.is_(None))
    wanted = select(Decision).where(Decision.comment_id == comment.id)
    return session.scalars(wanted.order_by(holds.desc(), Decision.at.desc(), Decision.id).limit(1)).first()


def _carry_out(
    session: Session, site: Site, comment: Comment, outcome: policies.Outcome, given: Given | None, changed: bool,
    now: datetime,
) -> Submitted:  # fmt: skip
    record = {name: value for name, value in outcome.record.items() if name != "nudge"}
    action = outcome.decision.action
    new, state, featured = comment.revision == 1 and changed, comment.state, comment.featured
    if STATES[action] == "published" and _removed_by_person(session, comment):
        action = "hold"  # else an author could undo a removal by changing a letter
        record |= {"action": action, "why": REMOVED_BEFORE}
    comment.state = STATES[action]
    comment.featured = action == "feature"  # praise was for the text that it stood under
    case: Case | None = None
    opened = False
    if action in ("hold", "flag"):
        case, opened = cases.opened(session, comment, "policy", now)
    else:
        _close_unneeded(session, comment, now)
    decision = Decision(
        site_id=site.id,
        comment_id=comment.id,
        revision=comment.revision,
        case_id=case.id if case else None,
        actor="policy",
        action=action,
        at=now,
        model=given.model if given else None,
        scores=dict(given.scores) if given else None,
        policy_id=outcome.policy_id,
        rule=record,
        before={"state": state, "featured": featured},
    )
    session.add(decision)
    session.flush()
    told = verdicts.tell(state, featured, comment)
    for event in ("comment.published", *told) if new and comment.state == "published" else told:
        webhooks.enqueue(session, site.id, event, verdicts.described(decision), comment)
    sites.touch(site)
    if action != "accept":
        actor = f"policy:{outcome.policy_id}" if outcome.policy_id else "policy:default"
        details = {"action": action, "why": record["why"]}
        audit.append(session, actor, "decision.made", f"decision:{decision.id}", site=site.id, details=details)
    return Submitted(comment, decision, changed, case if opened else None)


def _removed_by_person(session: Session, comment: Comment) -> bool:
    """Whether the comment is gone by the verdict of somebody, rather than of a rule."""
    latest = latest_decision(session, comment)
    return comment.state == "rejected" and latest is not None and latest.action == "remove"


def _close_unneeded(session: Session, comment: Comment, now: datetime) -> None:
    """Closes a case that the policy opened for a wording that is gone, if nothing else speaks for a look at it."""
    case = cases.current(session, comment.id)
    if case is None or case.origin != "policy" or case.escalated:
        return
    standing = select(Report.id).where(Report.case_id == case.id, Report.withdrawn_at.is_(None)).limit(1)
    if session.scalars(standing).first() is None:
        case.closed_at = now


def _describe(session: Session, comment: Comment, submission: Submission, from_reader: bool) -> None:
    """Brings up to date what is said about a comment; what is left out stays. A reader's page is not asked who wrote
    it, and changes no story.
    """
    comment.from_reader = from_reader
    comment.parent_external_id = submission.parent or comment.parent_external_id
    comment.posted_at = submission.posted_at or comment.posted_at
    if story := submission.story:
        key = {"site_id": comment.site_id, "external_id": story.id}
        if from_reader and (found := session.scalars(select(Story).filter_by(**key)).first()):
            comment.story_id = found.id
        else:
            comment.story_id = story_of(session, comment.site_id, story, submission.section).id
    if (author := submission.author) and not from_reader:
        row, _ = ensure(session, Author, {"site_id": comment.site_id, "external_id": author.id})
        row.name = author.name or row.name
        row.account_created_at = author.account_created_at or row.account_created_at
        comment.author_id = row.id


def story_of(session: Session, site_id: str, given: StoryPart, section: str | None = None) -> Story:
    """The row of a story, made or brought up to date."""
    row, _ = ensure(session, Story, {"site_id": site_id, "external_id": given.id})
    row.section = given.section or section or row.section
    for name in ("url", "title", "text", "published_at"):
        if (value := getattr(given, name)) is not None and value != getattr(row, name):
            setattr(row, name, value)
    return row


def _keep_text(session: Session, comment: Comment, revision: Revision, submission: Submission) -> None:
    if submission.do_not_store is not None:
        comment.do_not_store = submission.do_not_store
    if comment.do_not_store:
        revision.text = None
        session.execute(update(Revision).where(Revision.comment_id == comment.id).values(text=None))
    elif revision.text is None:
        revision.text = submission.text


def _score(session: Session, revision: Revision, given: Given, now: datetime) -> None:
    """Keeps a revision's scores. The model may have given some before, in the shadow of another."""
    known = select(RevisionScores).filter_by(revision_id=revision.id, model=given.model)
    row = session.scalars(known).first()
    if row is None:
        row = RevisionScores(revision_id=revision.id, model=given.model)
        session.add(row)
    row.shadow, row.scores, row.created_at = False, dict(given.scores), now
    session.flush()


def _revision(session: Session, comment: Comment) -> Revision:
    """The current revision."""
    return session.scalars(select(Revision).filter_by(comment_id=comment.id, number=comment.revision)).one()
