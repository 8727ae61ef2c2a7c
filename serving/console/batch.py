"""Batch: how the open cases of a site are spread over a score; choose a range, look at samples, decide all of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from starlette.responses import Response

from serving.console import words
from serving.console.desk import Call, Desk, see
from serving.console.errors import PageError, nothing
from serving.moderation import bulk, decisions, sites, verdicts
from serving.moderation.bulk import MOST, Range, Selected
from serving.moderation.decisions import REASONS, VERDICTS, By
from serving.moderation.problems import ModerationError
from serving.moderation.tables import Case, Comment, Revision

desk = Desk()
PATH = "/console/batch"
BINS = 20
SAMPLES = 12
STROKE = re.compile(r"[0-9a-f]{16}")
ONE = re.compile(r"([0-9a-f]{16}):([0-9]{1,8})")


@dataclass(frozen=True)
class Bin:
    """One bar of the histogram: its range, how many cases, and whether it is within the chosen range."""

    low: float
    high: float
    count: int
    height: float  # share of the tallest, 0..1
    chosen: bool


@desk.get(PATH, "moderator", navigation="Batch")
def show(call: Call) -> Response:
    """The histogram, and samples of the chosen range."""
    return _page(call)


@desk.post(PATH, "moderator")
def decide(call: Call) -> Response:
    """Decides the cases that were counted and listed when the page was made, in the wordings of then."""
    form = call.form
    site, verdict = form.one("site"), next((one for one in VERDICTS if one == form.one("do")), None)
    seen = {match[1]: int(match[2]) for one in form.one("cases").split() if (match := ONE.fullmatch(one))}
    if verdict not in ("keep", "remove") or not seen:
        raise PageError(422, "Something is missing", "Choose a range with cases in it, and keep or remove.", PATH)
    if "sure" not in form:
        raise PageError(422, "Something is missing", "Tick that you have looked at the samples.", PATH)
    if not call.me.sees(site):
        raise nothing()
    try:
        with call.store.writing() as session:
            reason = form.one("reason") or None if verdict == "remove" else None
            made = bulk.decide_bulk(session, site, seen, verdict, By("moderator", call.me.id), reason=reason)
    except ModerationError as problem:
        raise PageError(409, "Not as things stand", f"{problem}.".capitalize(), PATH) from None
    return see(f"{PATH}?site={site}&done={made.id}&count={len(made.decisions)}&left={len(made.left)}")


@desk.post(f"{PATH}/undo", "moderator")
def undo(call: Call) -> Response:
    """Takes a stroke back."""
    stroke = call.form.one("bulk")
    if not STROKE.fullmatch(stroke):
        raise nothing()
    try:
        with call.store.writing() as session:
            undone, left = decisions.undo_bulk(session, stroke, By("moderator", call.me.id))
    except ModerationError as problem:
        raise PageError(409, "Not as things stand", f"{problem}.".capitalize(), PATH) from None
    return see(f"{PATH}?undone={len(undone)}&left={len(left)}")


def _page(call: Call) -> Response:
    query = call.query
    by = By("moderator", call.me.id)
    with call.store.session() as session:
        seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
        site = query.get("site") or (seen[0] if seen else "")
        if site and site not in seen:
            raise nothing()
        attributes = call.here.engine.attributes
        attribute = query.get("attribute") or "report_worthy"
        if attribute not in attributes:
            raise nothing()
        low, high = _share(query.get("from"), 0.8), _share(query.get("to"), 1.0)
        wanted = Range(attribute, section=query.get("section") or None, reason=query.get("reason") or None)
        every = bulk.select_range(session, site, wanted, by) if site else []
        chosen = [one for one in every if low <= one.score and (one.score < high or high == 1)]
        samples = _samples(session, chosen, call.me.chosen.blur)
        return call.page(
            "batch.html",
            sites=seen, site=site, attributes=attributes, attribute=attribute, low=low, high=high, query=query,
            reasons=REASONS, bins=_bins(every, low, high), every=len(every), chosen=chosen, samples=samples, most=MOST,
        )  # fmt: skip


def _bins(every: Sequence[Selected], low: float, high: float) -> list[Bin]:
    counts = [0] * BINS
    for one in every:
        counts[min(int(one.score * BINS), BINS - 1)] += 1
    most = max(counts) or 1
    edges = [number / BINS for number in range(BINS + 1)]
    return [
        Bin(edges[n], edges[n + 1], counts[n], counts[n] / most, edges[n] >= low - 1e-9 and edges[n + 1] <= high + 1e-9)
        for n in range(BINS)
    ]


def _samples(
    session: Session, chosen: Sequence[Selected], blur: bool
) -> list[tuple[Selected, Comment, str | None, bool]]:
    """Cases evenly spread over the range, the lowest and the highest score among them, each with its comment, its text,
    and whether that is to be blurred.
    """
    if len(chosen) > SAMPLES:
        places = [round(number * (len(chosen) - 1) / (SAMPLES - 1)) for number in range(SAMPLES)]
        chosen = [chosen[place] for place in places]
    rows = session.execute(
        select(Case.id, Comment, Revision.text)
        .join(Comment, Comment.id == Case.comment_id)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .where(Case.id.in_([one.case for one in chosen]))
        .options(joinedload(Comment.story))
    )
    found = {case: (comment, text) for case, comment, text in rows}
    scores = verdicts.latest_scores(session, [comment.id for comment, _ in found.values()]) if blur else {}
    veiled = {number for number, (_, scored) in scores.items() if words.strong(scored)}
    return [(one, *found[one.case], found[one.case][0].id in veiled) for one in chosen if one.case in found]


def _share(written: str | None, default: float) -> float:
    """A share of 0..1 in twentieths, as the bars are."""
    try:
        return round(min(1.0, max(0.0, float(written or default))) * BINS) / BINS
    except (ValueError, OverflowError):
        return default
