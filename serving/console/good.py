"""Good comments: constructive first, to feature."""

from __future__ import annotations

from sqlalchemy.orm import Session
from starlette.responses import Response

from serving.console.desk import Call, Desk, see
from serving.console.errors import PageError, nothing
from serving.moderation import decisions, praise, sites
from serving.moderation.decisions import By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Comment, Verdict
from serving.paths import NUMBER

desk = Desk()
PATH = "/console/good"


@desk.get(PATH, "moderator", navigation="Good comments")
def show(call: Call) -> Response:
    """The most constructive published comments, or with `?featured` those that are featured."""
    featured = "featured" in call.query
    with call.store.session() as session:
        wanted = call.query.get("site") or None
        seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
        chosen = [site for site in seen if wanted in (None, site)]
        found = praise.good(session, chosen, section=call.query.get("section") or None, featured=featured)
        return call.page("good.html", found=found, featured=featured, sites=seen, query=dict(call.query))


@desk.post(f"{PATH}/{{id:{NUMBER}}}", "moderator")
def feature(call: Call) -> Response:
    """Features a comment in the wording that was shown, or takes that away."""
    verdict: Verdict = "feature" if call.form.one("do") == "feature" else "keep"
    revision = call.form.one("revision")
    try:
        with call.store.writing() as session:
            comment = _comment(session, call)
            seen = int(revision) if revision.isdecimal() and len(revision) < 9 else None
            decisions.decide_comment(session, comment, verdict, By("moderator", call.me.id), revision=seen)
    except ModerationError as problem:
        raise PageError(409, "Not as things stand", f"{problem}.".capitalize(), PATH) from None
    return see(PATH if verdict == "feature" else f"{PATH}?featured")


def _comment(session: Session, call: Call) -> Comment:
    comment = session.get(Comment, int(call.path["id"]))
    if comment is None or not call.me.sees(comment.site_id):
        raise nothing()
    return comment
