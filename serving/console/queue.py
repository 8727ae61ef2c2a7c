"""The queue: what there is to look at, the likeliest to be upheld first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from labels import taxonomy
from serving.console import words
from serving.console.desk import Call, Desk, Visitor, see
from serving.console.filters import LEVELS, Wanted, sections_of, sites_of
from serving.console.words import Odds
from serving.moderation import casefiles, queue
from serving.moderation.casefiles import Casefile
from serving.moderation.queue import CursorError, Filters
from serving.moderation.reasons import REASONS
from serving.moderation.tables import Case, Decision
from serving.store import now

desk = Desk()
PATH = "/console/queue"
LIMIT = 25  # cases of a page


@dataclass(frozen=True, slots=True)
class Entry:
    """A case as a line of the queue."""

    file: Casefile
    odds: Odds
    excerpt: str | None
    veiled: bool
    why: str
    readers: int
    mine: bool


@desk.get(PATH, "moderator", navigation="Queue")
def show(call: Call) -> Response:
    """The open cases of the moderator's sites."""
    moment, wanted = now(), Wanted.read(call.query)
    with call.store.session() as session:
        known = sites_of(session, call.me)
        ids = [site.id for site in sites_of(session, call.me, wanted)]
    call.here.ranker.refresh(ids, moment)
    with call.store.session() as session:
        try:
            page = queue.page(session, ids, wanted.filters(call.me), call.query.get("cursor"), LIMIT, moment)
        except CursorError:
            return see(wanted.to(PATH))
        entries = [_entry(file, call.me) for file in casefiles.load(session, page.cases, moment)]
        return call.page(
            "queue.html",
            entries=entries,
            wanted=wanted,
            sites=known,
            sections=sections_of(session, [site.id for site in known]),
            reasons=REASONS,
            attributes=taxonomy.load().names,
            levels=LEVELS,
            waiting=_waiting(session, ids, escalated=False),
            escalated=_waiting(session, ids, escalated=True),
            further=wanted.to(PATH, cursor=page.cursor) if page.cursor else None,
            first="cursor" not in call.query,
            done=just_done(session, call),
        )


@desk.post("/console/queue/next", "moderator")
def start(call: Call) -> Response:
    """Claims the best case that nobody has and goes there."""
    return see(next_path(call, Wanted.parse(call.form.one("wanted"))))


def next_path(call: Call, wanted: Wanted, **more: str) -> str:
    """The address of the best case, claimed: one that the moderator has already, else one that nobody has; of the
    queue if there is none.
    """
    moment = now()
    with call.store.session() as session:
        ids = [site.id for site in sites_of(session, call.me, wanted)]
    call.here.ranker.refresh(ids, moment)
    with call.store.writing() as session:
        filters = wanted.filters(call.me)
        case = _own(session, ids, call.me, filters, wanted.skip) or queue.next_case(
            session, ids, call.me.id, filters, moment, wanted.skip
        )
        if case is None:
            return wanted.to(PATH, **more)
        return wanted.to(f"/console/cases/{case.id}", **more)


def _own(session: Session, ids: list[str], me: Visitor, filters: Filters, skip: tuple[str, ...]) -> Case | None:
    """The best of the cases that the moderator has already, its lease made last longer."""
    moment = now()
    mine = (
        select(Case)
        .join(Case.comment)
        .where(Case.closed_at.is_(None), Case.site_id.in_(ids), Case.claimed_by == me.id, Case.leased_until > moment)
        .where(*filters.conditions(moment), Case.id.not_in(skip))
        .order_by(Case.log_odds.desc(), Case.opened_at, Case.id)
        .limit(1)
    )
    found = session.scalars(mine).first()
    return found if found is not None and queue.claim(session, found.id, me.id, moment) else None


def just_done(session: Session, call: Call) -> Decision | None:
    """The moderator's own decision that the address names as just made, for a note with which to undo it."""
    made = session.get(Decision, call.query.get("done", ""))
    return made if made is not None and made.moderator_id == call.me.id and made.undone_at is None else None


def _entry(file: Casefile, me: Visitor) -> Entry:
    return Entry(
        file=file,
        odds=words.odds(file.probability),
        excerpt=words.excerpt(file.text) if file.text else None,
        veiled=me.chosen.blur and words.strong(file.scores),
        why=words.why(file.lines),
        readers=sum(file.reasons.values()),
        mine=file.claim is not None and file.case.claimed_by == me.id,
    )


def _waiting(session: Session, ids: list[str], *, escalated: bool) -> int:
    statement = select(func.count()).select_from(Case)
    where = (Case.site_id.in_(ids), Case.closed_at.is_(None), Case.escalated.is_(escalated))
    return session.scalar(statement.where(*where)) or 0
