"""A publication at work: two sites, stories, comments, reports and decisions, all written for this file and put in
through the functions that the API calls, with the model's own scores. Some of it is rude, because it has to be.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.learning import models
from serving.moderation import comments, decisions, moderators, reports, sites
from serving.moderation.comments import Given
from serving.moderation.decisions import By
from serving.moderation.notices import Notice
from serving.moderation.reports import Filing, ReporterPart
from serving.moderation.sites import SiteSettings
from serving.moderation.submissions import AuthorPart, StoryPart, Submission
from serving.moderation.tables import Case, Comment, Verdict
from serving.scorer import Scorer
from serving.store import Store, now

NEWSROOM = tomllib.loads(Path(__file__).with_name("newsroom.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Said:
    """A comment: who said it on which story, how many hours ago, answering what, and who reported it as what."""

    id: str
    story: str
    author: str
    text: str
    hours: float
    parent: str | None = None
    reported: Sequence[tuple[str, str]] = ()
    details: str | None = None


def fill(store: Store, scorer: Scorer) -> None:
    """Puts all of it in."""
    present = now()
    with store.writing() as session:
        for site, name in NEWSROOM["sites"].items():
            sites.put(session, site, name, SiteSettings(), "command")
        decider = moderators.create(session, "sam", "a password of sam's", "moderator").id
    for number, past in enumerate(NEWSROOM["past"]):
        at = present - timedelta(days=20 - number)
        said = Said(f"past{number}", "weir", past["author"], past["text"], 0)
        with store.writing() as session:
            comment = _submit(session, said, scorer, at)
            for reader in past["readers"]:
                _report(session, comment, reader, past["reported"], at + timedelta(minutes=30))
            case = session.scalars(select(Case).where(Case.comment_id == comment.id)).one()
            verdict: Verdict = "remove" if "removed" in past else "keep"
            decisions.decide(session, case, verdict, By("moderator", decider), reason=past.get("removed"))
    for said in (Said(**values) for values in NEWSROOM["said"]):
        at = present - timedelta(hours=said.hours)
        with store.writing() as session:
            comment = _submit(session, said, scorer, at)
            for place, (reader, reason) in enumerate(said.reported):
                details = said.details if place == 0 else None
                _report(session, comment, reader, reason, at + timedelta(minutes=10 * (place + 1)), details)


def _submit(session: Session, said: Said, scorer: Scorer, at: datetime) -> Comment:
    given = Given(models.called(scorer.manifest), dict(scorer.score([said.text])[0]))
    story = NEWSROOM["stories"][said.story]
    url = f"https://news.example/{said.story}"
    submission = Submission(
        text=said.text,
        author=AuthorPart(id=said.author.lower(), name=said.author, account_created_at=at - timedelta(days=400)),
        story=StoryPart(id=said.story, title=story["title"], section=story["section"], url=url),
        parent=said.parent,
        posted_at=at,
    )
    return comments.submit(session, sites.find(session, story["site"]), said.id, submission, given, at).comment


def _report(
    session: Session, comment: Comment, reader: str, reason: str, at: datetime, details: str | None = None
) -> None:
    notice = (
        Notice(
            explanation="It states as a fact that our client took a bribe. No court or office has said so.",
            legal_ground="Defamation Act, section 1",
            url="https://news.example/weir#c17",
            name="A. Lawyer",
            email="office@law.example",
            good_faith=True,
        )
        if reason == "illegal"
        else None
    )
    created = at - timedelta(days=2 if reader == "r-new" else 700)
    filing = Filing(
        reporter=ReporterPart(id=reader, account_created_at=created), reason=reason, details=details, notice=notice
    )
    reports.file(session, comment.site_id, comment.external_id, filing, at, believed=True)
