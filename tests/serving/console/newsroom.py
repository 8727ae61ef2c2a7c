"""A publication at work: two sites, stories, comments, reports and decisions, all written for this file and put in
through the functions that the API calls, with the model's own scores. Some of it is rude, because it has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.moderation import comments, decisions, moderators, reports, sites
from serving.moderation.comments import Given
from serving.moderation.decisions import By
from serving.moderation.notices import Notice
from serving.moderation.reports import Filing, ReporterPart
from serving.moderation.sites import SiteSettings
from serving.moderation.submissions import AuthorPart, StoryPart, Submission
from serving.moderation.tables import Case, Comment
from serving.scorer import Scorer
from serving.store import Store, now

SITES = {"courier": "The Weir Valley Courier", "echo": "Harbour Echo"}
STORIES = {
    "weir": ("courier", "politics", "Council votes to close Mill Lane to cars for a year"),
    "clinic": ("courier", "health", "Weir clinic to lose its night service in March"),
    "derby": ("courier", "sport", "Ten-man Weir Town hold on in the derby"),
    "ferry": ("echo", "transport", "Island ferry fares to rise by nine per cent"),
}


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
    more: dict[str, Any] = field(default_factory=dict)


SAID = (
    Said("c1", "weir", "Maureen", "Our takings were back to normal by the third month, because people parked on Mill "
         "Lane and walked. Has anyone at the council counted what the shops pay in rates?", 30),
    Said("c2", "weir", "riverman", "You are a liar and a fool, Maureen, like everyone on that council. Crawl back under "
         "your rock.", 29, "c1", (("r-anna", "abusive"), ("r-ben", "abusive"), ("r-new", "offensive")),
         "He has been at her for days, under every story."),
    Said("c3", "weir", "Dev", "The report counts cars on two days in August, when the schools are shut. A count in term "
         "time would tell us more, and the county has one from 2022.", 28, "c1"),
    Said("c4", "weir", "Maureen", "I did not call anyone names. I asked about the rates.", 27.5, "c2"),
    Said("c5", "weir", "truth_seeker", "These people who come here do not want to work, they are parasites, every single "
         "one of them, and they breed like rats.", 20, None, (("r-anna", "hateful"), ("r-cleo", "hateful"))),
    Said("c6", "weir", "Old Ned", "Closing a road is not a policy. It is a photograph for the leaflet in May.", 19, None,
         (("r-party", "offensive"),)),
    Said("c7", "clinic", "A. Nurse", "I work nights there. Last month we saw 212 people after ten, and forty of them "
         "would have had an hour in a car instead. Please write to the board before the 4th.", 12),
    Said("c8", "clinic", "riverman", "Somebody should wait for that health boss outside her house and teach her a "
         "lesson she will not forget.", 11, "c7", (("r-ben", "threatening"), ("r-cleo", "threatening")), "Reads like a threat to me."),
    Said("c9", "clinic", "quickcash", "I make 900 a day from home, ask me how, best offer on my page!!!", 9, None,
         (("r-dora", "spam"),)),
    Said("c10", "clinic", "Hal", "The chief executive's pay went up by a fifth in the same year. It is in the accounts, "
         "page 31.", 8, "c7"),
    Said("c11", "derby", "Weir4Ever", "Ref was blind as a bat, absolutely shocking decision, what a joke.", 6, None,
         (("r-party", "abusive"),)),
    Said("c12", "derby", "bluearmy", "You lot are scum and your club is a disgrace, hope you all rot.", 5.5, "c11",
         (("r-anna", "abusive"), ("r-new", "abusive"), ("r-eve", "offensive"))),
    Said("c13", "ferry", "Islander", "Nine per cent, and the boat is late every second day. My daughter's college starts "
         "at nine; she has left at six since September.", 4),
    Said("c14", "ferry", "Skipper", "If you chose to live on a rock, you can pay for the boat, you whining moron.", 3.5,
         "c13", (("r-cleo", "abusive"),)),
    Said("c15", "ferry", "Joan", "The director's home number is in the old parish list, ring her at night so she "
         "knows how it feels.", 2, "c13", (("r-eve", "personal_information"),), "It tells people where to find her."),
    Said("c16", "weir", "Pat", "What is the plan for deliveries? Our bakery gets flour at five in the morning.", 1.5),
    Said("c17", "weir", "firebrand", "The mayor took a bribe from the developer, it is a fact, everybody knows it, she "
         "belongs in prison.", 1, None, (("r-lawyer", "illegal"),)),
)  # fmt: skip
# What was decided a while ago: texts, the verdict, the reporters; so that readers and authors have a record.
PAST = (
    ("riverman", "Shut your mouth, you stupid old cow.", "abusive", "abusive", ("r-anna", "r-ben")),
    ("riverman", "I walk my dog past the weir every day and never saw a single car.", None, "off_topic", ("r-dora",)),
    ("bluearmy", "You absolute clown, delete your account.", "abusive", "abusive", ("r-anna", "r-cleo")),
    ("loudly", "They are vermin and should be driven out of the valley.", "hateful", "hateful", ("r-anna", "r-cleo")),
    ("loudly", "What an idiot you are, truly.", "abusive", "abusive", ("r-anna", "r-ben")),
    ("Old Ned", "The mayor's figures are nonsense from start to end.", None, "offensive", ("r-party",)),
    ("Hal", "I would not trust this board with a lemonade stand.", None, "abusive", ("r-party", "r-dora")),
    ("seller9", "Cheap watches, genuine, write to me today", "spam", "spam", ("r-ben", "r-anna")),
)


def fill(store: Store, scorer: Scorer) -> None:
    """Puts all of it in."""
    present = now()
    scored = {text: _given(scorer, text) for text in [said.text for said in SAID] + [past[1] for past in PAST]}
    with store.writing() as session:
        for site, name in SITES.items():
            sites.put(session, site, name, SiteSettings(), "command")
    with store.writing() as session:
        decider = moderators.create(session, "sam", "a password of sam's", "moderator").id
    for number, (author, text, reason, reported, readers) in enumerate(PAST):
        at = present - timedelta(days=20 - number)
        with store.writing() as session:
            comment = _submit(session, Said(f"past{number}", "weir", author, text, 0), scored[text], at)
            for reader in readers:
                _report(session, comment, reader, reported, at + timedelta(minutes=30))
            case = session.scalars(select(Case).where(Case.comment_id == comment.id)).one()
            verdict = "remove" if reason else "keep"
            decisions.decide(session, case, verdict, By("moderator", decider), reason=reason)  # type: ignore[arg-type]
    for said in SAID:
        at = present - timedelta(hours=said.hours)
        with store.writing() as session:
            comment = _submit(session, said, scored[said.text], at)
            for place, (reader, reason) in enumerate(said.reported):
                details = said.details if place == 0 else None
                _report(session, comment, reader, reason, at + timedelta(minutes=10 * (place + 1)), details)


def _given(scorer: Scorer, text: str) -> Given:
    return Given("evenhand-minilm 0.2.0", dict(scorer.score([text])[0]))


def _submit(session: Session, said: Said, given: Given, at: datetime) -> Comment:
    site, section, title = STORIES[said.story]
    url = f"https://news.example/{said.story}"
    submission = Submission(
        text=said.text,
        author=AuthorPart(id=said.author.lower(), name=said.author, account_created_at=at - timedelta(days=400)),
        story=StoryPart(id=said.story, title=title, section=section, url=url),
        parent=said.parent,
        posted_at=at,
    )
    return comments.submit(session, sites.find(session, site), said.id, submission, given, at).comment


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
        reporter=ReporterPart(id=reader, account_created_at=created), reason=reason, details=details, notice=notice  # type: ignore[arg-type]
    )  # fmt: skip
    reports.file(session, sites.find(session, comment.site_id), comment, filing, at, believed=True)
