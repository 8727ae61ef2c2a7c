"""Appeals: authors' complaints about removals, for somebody else than who removed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from serving.console.desk import Call, Desk, see
from serving.console.errors import PageError, nothing
from serving.moderation import appeals, moderators, sites
from serving.moderation.decisions import REASONS, By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Appeal, Comment, Decision, Revision

desk = Desk()
PATH = "/console/appeals"
AT_ONCE = 50


@desk.get(PATH, "moderator", navigation="Appeals")
def show(call: Call) -> Response:
    """Open appeals, the longest waiting first; with `?decided` the latest that were decided."""
    decided = "decided" in call.query
    with call.store.session() as session:
        seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
        judges = {site: {one.id for one in appeals.judges(session, site)} for site in seen}
        return call.page(
            "appeals.html",
            found=_found(session, seen, decided),
            decided=decided,
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


def _found(session: Session, seen: list[str], decided: bool) -> list[tuple[Appeal, Decision, Comment, str | None]]:
    chosen = (
        select(Appeal, Decision, Comment, Revision.text)
        .join(Decision, Decision.id == Appeal.decision_id)
        .join(Comment, Comment.id == Decision.comment_id)
        .outerjoin(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Decision.revision))
        .where(Appeal.site_id.in_(seen))
        .limit(AT_ONCE)
    )
    if decided:
        chosen = chosen.where(Appeal.state != "open").order_by(Appeal.decided_at.desc(), Appeal.id)
    else:
        chosen = chosen.where(Appeal.state == "open").order_by(Appeal.at, Appeal.id)
    return [(appeal, decision, comment, text) for appeal, decision, comment, text in session.execute(chosen)]
