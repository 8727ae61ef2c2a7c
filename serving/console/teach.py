"""What to decide so that the next model learns most: active learning over what no moderator has decided."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from serving.console import words
from serving.console.desk import Call, Desk, see
from serving.console.errors import PageError, nothing
from serving.learning import models, teaching
from serving.moderation import decisions, sites, verdicts
from serving.moderation.decisions import REASONS, VERDICTS, By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Comment, Revision
from serving.paths import NUMBER

desk = Desk()
PATH = "/console/teach"


@desk.get(PATH, "moderator", navigation="Teach")
def show(call: Call) -> Response:
    """The comments whose decision would teach most."""
    live = models.called(call.here.engine.manifest)
    with call.store.session() as session:
        seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
        candidate = models.candidate(session)
        found = teaching.lessons(session, seen, live, candidate.name if candidate else None)
        texts = _texts(session, [lesson.comment for lesson in found])
        scores = verdicts.latest_scores(session, list(texts)) if call.me.chosen.blur else {}
        veiled = {number for number, (_, scored) in scores.items() if words.strong(scored)}
        return call.page("teach.html", found=found, texts=texts, veiled=veiled, candidate=candidate, reasons=REASONS)


@desk.post(f"{PATH}/{{id:{NUMBER}}}", "moderator")
def decide(call: Call) -> Response:
    """Decides one of them in the wording that was shown."""
    verdict = next((one for one in VERDICTS if one == call.form.one("do")), None)
    revision = call.form.one("revision")
    if verdict is None or verdict == "escalate":
        raise PageError(422, "Something is missing", "Choose keep or remove.", PATH)
    try:
        with call.store.writing() as session:
            comment = session.get(Comment, int(call.path["id"]))
            if comment is None or not call.me.sees(comment.site_id):
                raise nothing()
            decisions.decide_comment(
                session, comment, verdict, By("moderator", call.me.id),
                reason=call.form.one("reason") or None if verdict == "remove" else None,
                revision=int(revision) if revision.isdecimal() and len(revision) < 9 else None,
            )  # fmt: skip
    except ModerationError as problem:
        raise PageError(409, "Not as things stand", f"{problem}.".capitalize(), PATH) from None
    return see(PATH)


def _texts(session: Session, comments: list[Comment]) -> dict[int, str]:
    ids = [comment.id for comment in comments]
    chosen = select(Revision.comment_id, Revision.text).join(
        Comment, (Comment.id == Revision.comment_id) & (Comment.revision == Revision.number)
    )
    rows = session.execute(chosen.where(Comment.id.in_(ids)))
    return {number: text or "" for number, text in rows}
