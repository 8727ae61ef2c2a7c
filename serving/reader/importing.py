"""Takes comments of saved pages and record files into a site, to be moderated there.

Ids are made from what a comment says, not from where it stood, so that a page saved again a day later brings only
what is new. Nothing is sent to anyone: whoever has the comments online decides what to do with them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from serving.learning import models
from serving.moderation import cases, comments, webhooks
from serving.moderation.comments import Given
from serving.moderation.submissions import Submission
from serving.moderation.tables import Site
from serving.pages import Page
from serving.records import Reader
from serving.scorer import Scorer, ScoringError

COLUMNS = ("id", "author", "author_id", "parent", "story", "title", "url", "section", "posted_at")
HIGHEST = "report_worthy"
BATCH = 64  # comments scored, and written in one transaction


class ImportingError(ValueError):
    """A record cannot be taken in. The message names its source, its place and the rule, never its text."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A comment to take in, and the id that it gets."""

    id: str
    submission: Submission


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one: the policy's action, its scores (None: could not be scored), and whether it was new."""

    id: str
    author: str
    text: str
    action: str
    scores: Mapping[str, float] | None
    new: bool


def of_page(page: Page, source: str, section: str | None = None) -> list[Incoming]:
    """The comments of a saved page, its article as their story. `source` names a page without a title."""
    title = page.title or source
    story = _digest("story", title)
    parts = {"id": story, "title": title[:1000], "text": page.article[:500_000] or None, "section": section}
    seen: Counter[str] = Counter()
    found: list[Incoming] = []
    for comment in page.comments:
        id = _digest(story, comment.author or "", comment.text)
        seen[id] += 1
        if seen[id] > 1:  # the same words of the same person, said again
            id = _digest(id, str(seen[id]))
        found.append(Incoming(id, _submission(source, len(found) + 1, comment.text, comment.author, {"story": parts})))
    return found


def of_records(reader: Reader, section: str | None = None) -> Iterator[Incoming]:
    """The comments of a table or of lines; columns named in COLUMNS say more about one. Those without a text are
    left out. Raises ImportingError and RecordError.
    """
    for number, record in enumerate(reader, start=1):
        if not record.text.strip():
            continue
        given = {name: str(value) for name in COLUMNS if (value := record.columns.get(name)) not in (None, "")}
        author = given.get("author")
        about: dict[str, Any] = {"section": given.get("section") or section, "parent": given.get("parent")}
        if story := given.get("story") or given.get("url") or given.get("title"):
            about["story"] = {"id": story[:256], "title": given.get("title"), "url": given.get("url")}
        if "posted_at" in given:
            about["posted_at"] = _moment(reader.source, number, given["posted_at"])
        id = given.get("id") or _digest(story or "", author or "", record.text)
        yield Incoming(id, _submission(reader.source, number, record.text, author, about, given.get("author_id")))


def given(scorer: Scorer, incoming: Sequence[Incoming]) -> list[Given | None]:
    """Scores of each; None where there is nothing to score. Before a transaction begins, as it takes its time."""
    model = models.called(scorer.manifest)
    return [
        Given(model, scores) if scores else None for scores in scored(scorer, [one.submission.text for one in incoming])
    ]


def take(
    session: Session, site: Site, incoming: Sequence[Incoming], scores: Sequence[Given | None], now: datetime
) -> list[Taken]:
    """Keeps comments and decides on them by the site's policy, in the session's transaction (a writing one)."""
    taken = []
    with webhooks.silence(session):
        for one, known in zip(incoming, scores, strict=True):
            done = comments.submit(session, site, one.id, one.submission, known, now)
            author = one.submission.author
            name = author.name or "" if author else ""
            values = known.scores if known else None
            taken.append(Taken(one.id, name, one.submission.text, done.decision.action, values, done.changed))
    return taken


def review(session: Session, site: Site, taken: Iterable[Taken], most: int, now: datetime) -> int:
    """Opens cases for the new comments that report_worthy puts on top, at most `most`; how many it opened."""
    new = [one for one in taken if one.new and one.scores]
    opened = 0
    with webhooks.silence(session):
        for one in sorted(new, key=lambda one: -(one.scores or {}).get(HIGHEST, 0.0))[:most]:
            _, made = cases.opened(session, comments.find(session, site.id, one.id), "moderator", now)
            opened += made
    return opened


def scored(scorer: Scorer, texts: Sequence[str]) -> list[dict[str, float] | None]:
    """Scores of each text; None where there is nothing to score in it."""
    found: list[dict[str, float] | None] = [None] * len(texts)
    places = list(range(len(texts)))
    while places:
        try:
            rows = scorer.score([texts[place] for place in places])
        except ScoringError as error:
            del places[error.index]
            continue
        for place, row in zip(places, rows, strict=True):
            found[place] = {name: row[name] for name in row}
        break
    return found


def _submission(
    source: str, number: int, text: str, author: str | None, about: dict[str, Any], author_id: str | None = None
) -> Submission:
    if author or author_id:
        # Without an id of its own, one name is one person: all that a saved page tells.
        about["author"] = {"id": author_id or _digest("author", author or ""), "name": author and author[:200]}
    try:
        return Submission.model_validate(about | {"text": text})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ImportingError(f"{source}: comment {number}: {where}: {first['msg']}") from None


def _moment(source: str, number: int, written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise ImportingError(f"{source}: comment {number}: posted_at: expected a time as 2026-11-22T08:30Z") from None
    return moment if moment.tzinfo else moment.astimezone()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:20]
