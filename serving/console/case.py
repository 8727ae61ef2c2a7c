"""One case: the comment where it stands, what is known about it, and the decision; then the next one is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from labels import taxonomy
from serving.console import highlights, scores, surroundings, words
from serving.console.desk import Call, Desk, Visitor, see
from serving.console.errors import PageError, nothing
from serving.console.filters import Wanted
from serving.console.highlights import Highlights
from serving.console.queue import just_done, next_path
from serving.moderation import casefiles, decisions, policies, queue, sites
from serving.moderation.casefiles import Detail
from serving.moderation.decisions import VERDICTS, By
from serving.moderation.problems import ModerationError
from serving.moderation.reasons import REASONS
from serving.moderation.tables import Case, Decision, Moderator, Site, Verdict
from serving.store import now

desk = Desk()
TITLES = {
    "closed": "It has been decided already",
    "claimed": "Someone else has this case",
    "changed": "The text has changed",
    "escalated": "It is escalated",
    "too_late": "It is too late to undo that",
    "undone": "That has been undone already",
    "overturned": "An appeal has overturned that",
    "appealed": "The author has appealed",
}
STATUS = {"missing": 404, "conflict": 409, "refused": 403, "invalid": 422}


@dataclass(frozen=True, slots=True)
class Past:
    """A decision on the comment, by whom, and whether the one who looks can take it back."""

    decision: Decision
    who: str
    undoable: bool


@desk.get("/console/cases/{case}", "moderator")
def show(call: Call) -> Response:
    """The case, whoever has it."""
    moment, wanted = now(), Wanted.read(call.query)
    with call.store.session() as session:
        case = _case(session, call)
        rank_of, text = case.site_id, surroundings.texts_of(session, [case.comment_id]).get(case.comment_id)
    call.here.ranker.refresh([rank_of], moment)
    asked = call.query.get("explain", "")
    asked = asked if asked in taxonomy.load().names else ""
    marks = _marks(call, text, asked)  # while no connection to the database is held: it may take seconds
    with call.store.session() as session:
        case = _case(session, call)
        found = casefiles.detail(session, case, moment)
        comment, site = case.comment, session.get_one(Site, case.site_id)
        section = comment.story.section if comment.story else None
        file = found.file
        shown, folded = scores.rows(file.scores or {}, policies.live(session, site.id).policy, section)
        marks = marks if file.text == text else None  # it was reworded this very moment
        strongest = scores.strongest(file.scores or {})
        past = _past(session, found, call.me, sites.settings(site).undo_seconds)
        return call.page(
            "case.html",
            file=file,
            case=case,
            comment=comment,
            site=site,
            odds=words.odds(file.probability),
            total=sum(line.log_odds for line in file.lines),
            reports=found.reports,
            shown=shown,
            folded=folded,
            marks=marks,
            strongest=None if marks and (asked or marks.attribute == strongest) else strongest,
            pieces=_pieces(file.text, marks),
            veiled=call.me.chosen.blur and words.strong(file.scores),
            ruling=scores.ruling_on(found.decisions, comment.revision),
            thread=surroundings.thread(session, comment),
            author=surroundings.record(session, comment.author) if comment.author else None,
            precedents=surroundings.precedents(session, comment, file.text, file.scores),
            wordings=surroundings.wordings(session, comment),
            past=past,
            done=just_done(session, call),
            reasons=REASONS,
            wanted=wanted,
            mine=file.claim is not None and case.claimed_by == call.me.id,
            decidable=case.closed_at is None
            and (file.claim is None or case.claimed_by == call.me.id)
            and not (case.escalated and call.me.role == "moderator"),
        )


@desk.post("/console/cases/{case}/claim", "moderator")
def claim(call: Call) -> Response:
    """Claims the case, or makes the claim last longer."""
    wanted = Wanted.parse(call.form.one("wanted"))
    with call.store.writing() as session:
        case = _case(session, call)
        if not queue.claim(session, case.id, call.me.id, now()):
            raise _taken(session, case)
    return see(wanted.to(f"/console/cases/{case.id}"))


@desk.post("/console/cases/{case}/skip", "moderator")
def skip(call: Call) -> Response:
    """Gives the case back and goes to the next one; this one comes again later."""
    wanted = Wanted.parse(call.form.one("wanted"))
    with call.store.writing() as session:
        case = _case(session, call)
        queue.release(session, case.id, call.me.id)
    return see(next_path(call, wanted.passed_over(case.id)))


@desk.post("/console/cases/{case}/decide", "moderator")
def decide(call: Call) -> Response:
    """Carries a verdict out and goes to the next case. A reason alone means remove."""
    wanted, form = Wanted.parse(call.form.one("wanted")), call.form
    reason = form.one("reason") or None
    verdict: Verdict = "remove" if reason else _verdict(form.one("verdict"))
    revision = form.one("revision")
    with call.store.writing() as session:
        case = _case(session, call)
        with _explained(session, case):
            made = decisions.decide(
                session,
                case,
                verdict,
                By("moderator", call.me.id),
                reason=reason,
                note=form.one("note") or None,
                law=(form.one("law") or None) if reason == "illegal" else None,
                revision=int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 10 else None,
            )
    return see(next_path(call, wanted, done=made.id))


@desk.post("/console/decisions/{decision}/undo", "moderator")
def undo(call: Call) -> Response:
    """Takes a decision back, and claims its case, which is open again."""
    wanted = Wanted.parse(call.form.one("wanted"))
    with call.store.writing() as session:
        made = session.get(Decision, call.path["decision"])
        if made is None or not call.me.sees(made.site_id):
            raise nothing()
        case = session.get_one(Case, made.case_id) if made.case_id else None
        with _explained(session, case):
            decisions.undo(session, made, By("moderator", call.me.id))
        if case is None or case.closed_at is not None:
            return see("/console/queue")
        session.flush()
        queue.claim(session, case.id, call.me.id, now())
    return see(wanted.to(f"/console/cases/{case.id}"))


def _case(session: Session, call: Call) -> Case:
    found = session.get(Case, call.path["case"])
    if found is None or not call.me.sees(found.site_id):
        raise nothing()
    return found


def _verdict(written: str) -> Verdict:
    for known in VERDICTS:
        if written == known:
            return known
    raise PageError(422, "Nothing was chosen", "Go back and choose what is to be done with the comment.")


@contextmanager
def _explained(session: Session, case: Case | None) -> Iterator[None]:
    """Makes what stands against a decision a page that says what to do."""
    try:
        yield
    except ModerationError as error:
        if error.code in ("claimed", "closed") and case is not None:
            raise _taken(session, case) from None
        message = str(error).partition(": ")[2] or str(error)
        message = f"{message[:1].upper()}{message[1:]}."
        if error.code == "changed":
            message += " Look at it again before you decide."
        back = f"/console/cases/{case.id}" if case is not None else "/console/queue"
        raise PageError(STATUS[error.kind], TITLES.get(error.code, "That is not possible"), message, back) from None


def _taken(session: Session, case: Case) -> PageError:
    """Who has a case, or has decided it."""
    session.refresh(case)
    if case.closed_at is not None:
        made = select(Decision.moderator_id).where(Decision.case_id == case.id).order_by(Decision.at.desc()).limit(1)
        who = _name(session, session.scalar(made)) or "Somebody else"
        message = f"{who} was faster, and nothing that you did was kept. Go on with the next one."
        return PageError(409, TITLES["closed"], message)
    who = _name(session, queue.claimed_by(case, now())) or "Another moderator"
    left = max(1, round((case.leased_until - now()).total_seconds() / 60)) if case.leased_until else 1
    message = f"{who} is looking at it. If nothing is decided, it is free again in {left} min. Go on with the next one."
    return PageError(409, TITLES["claimed"], message)


def _past(session: Session, found: Detail, me: Visitor, undo_seconds: int) -> list[Past]:
    names = _names(session, {one.moderator_id for one in found.decisions if one.moderator_id})
    since = now() - timedelta(seconds=undo_seconds)
    made: list[Past] = []
    standing = False
    for one in found.decisions:
        latest = not standing and one.undone_at is None and one.case_id is not None and one.actor != "policy"
        standing = standing or one.undone_at is None
        allowed = me.role != "moderator" or one.moderator_id == me.id
        undoable = latest and allowed and one.at > since and one.overturned_at is None
        who = names.get(one.moderator_id or 0) or ("the policy" if one.actor == "policy" else "the comment system")
        made.append(Past(one, who, undoable))
    return made


def _names(session: Session, ids: set[int]) -> dict[int, str]:
    rows = session.execute(select(Moderator.id, Moderator.name).where(Moderator.id.in_(ids)))
    return dict(rows.all())


def _name(session: Session, number: int | None) -> str | None:
    return _names(session, {number}).get(number) if number is not None else None


def _marks(call: Call, text: str | None, asked: str) -> Highlights | None:
    """What is marked in a text: what speaks for the attribute asked for, else what the model marks unasked."""
    if not text:
        return None
    return highlights.of(call.here, text, asked) if asked else highlights.at_once(call.here, text)


def _pieces(text: str | None, marks: Highlights | None) -> list[highlights.Piece]:
    return list(highlights.pieces(text or "", marks.spans if marks else ()))
