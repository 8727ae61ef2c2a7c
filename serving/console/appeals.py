"""Appeals: authors' complaints about removals, for somebody else than who removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from starlette.responses import Response

from serving.console.desk import Call, Desk, see
from serving.console.errors import PageError, nothing
from serving.moderation import appeals, cursors, moderators, sites
from serving.moderation.decisions import REASONS, By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Appeal, Decision, Revision

desk = Desk()
PATH = "/console/appeals"
AT_ONCE = 50


@desk.get(PATH, "moderator", navigation="Appeals")
def show(call: Call) -> Response:
    """Open appeals, the longest waiting first; with `?decided` those that were decided, the latest first."""
    decided, cursor = "decided" in call.query, call.query.get("cursor")
    with call.store.session() as session:
        seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
        judges = {site: {one.id for one in appeals.judges(session, site)} for site in seen}
        try:
            found, further = _found(session, seen, decided, cursor)
        except ModerationError:  # a cursor that no page gave
            return see(_address(decided))
        return call.page(
            "appeals.html",
            found=found,
            texts=_texts(session, found),
            decided=decided,
            first=_address(decided) if cursor is not None else None,
            further=_address(decided, further) if further else None,
            judged={site for site in seen if call.me.id in judges[site]},
            alone={site for site in seen if judges[site] == {call.me.id}},
            names={one.id: one.name for one in moderators.every(session)},
            reasons=REASONS,
            longest=appeals.LONGEST,
        )


@desk.post(f"{PATH}/{{appeal}}", "moderator")
def decide(call: Call) -> Response:
    """Upholds the removal, or overturns it."""
    outcome = call.form.one("do")
    if outcome not in ("upheld", "overturned"):
        raise PageError(422, "Something is missing", "Uphold the removal, or overturn it.", PATH)
    try:
        with call.store.writing() as session:
            appeal = appeals.find(session, call.path["appeal"])
            if not call.me.sees(appeal.site_id):
                raise nothing()
            note = call.form.one("note") or None
            appeals.decide(
                session, appeal, "upheld" if outcome == "upheld" else "overturned", By("moderator", call.me.id), note
            )
    except ModerationError as problem:
        status = 404 if problem.code.startswith("unknown") else 409
        raise PageError(status, "Not as things stand", f"{problem}.".capitalize(), PATH) from None
    return see(PATH)


def _found(session: Session, seen: list[str], decided: bool, cursor: str | None) -> tuple[Sequence[Appeal], str | None]:
    """A page of them with their decisions and comments, and the cursor of the next."""
    chosen = select(Appeal).where(Appeal.site_id.in_(seen))
    chosen = chosen.options(joinedload(Appeal.decision).joinedload(Decision.comment))
    if decided:
        return cursors.page(
            session, chosen.where(Appeal.state != "open"), Appeal.decided_at, Appeal.id, cursor, AT_ONCE
        )
    opened = chosen.where(Appeal.state == "open")
    return cursors.page(session, opened, Appeal.at, Appeal.id, cursor, AT_ONCE, oldest_first=True)


def _texts(session: Session, found: Sequence[Appeal]) -> Mapping[str, str | None]:
    """The wordings that were removed, by decision."""
    rows = session.execute(
        select(Decision.id, Revision.text)
        .join(Revision, (Revision.comment_id == Decision.comment_id) & (Revision.number == Decision.revision))
        .where(Decision.id.in_([appeal.decision_id for appeal in found]))
    )
    return dict(rows.all())


def _address(decided: bool, cursor: str | None = None) -> str:
    query = urlencode(({"decided": ""} if decided else {}) | ({"cursor": cursor} if cursor else {}))
    return f"{PATH}?{query}" if query else PATH
