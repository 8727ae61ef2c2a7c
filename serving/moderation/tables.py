"""The tables of moderation. Text of comments is in two columns only, `revisions.text` and `stories.text`; what readers
and moderators write is in `reports.details`, `reports.notice`, `appeals.text` and `decisions.note`.

Rows are never deleted one by one in ordinary work: what is decided, withdrawn or undone gets a moment instead, so that
history can be explained. Erasure and retention set texts and outside ids to NULL (serving/moderation/privacy.py).
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from serving.store import Base, Moment, now

# What a comment system shows: published ones only. `held` waits for a person, `rejected` was removed.
State = Literal["published", "held", "rejected"]
# What a moderator does with a case. An escalated case stays open, for an editor or admin.
Verdict = Literal["keep", "remove", "feature", "escalate"]
# Why a case is there: readers' reports, a policy that holds or flags the comment, or a person who looked at it unasked.
Origin = Literal["report", "policy", "moderator"]
Actor = Literal["moderator", "policy", "key"]
Role = Literal["moderator", "editor", "admin"]
PolicyState = Literal["draft", "shadow", "live", "retired"]
ModelState = Literal["shadow", "live", "retired"]
AppealState = Literal["open", "upheld", "overturned"]

ID = String(16)  # of things that are named to the outside: random, so that nothing can be counted or guessed
OUTSIDE = String(256)  # an id that a comment system gave


def new_id() -> str:
    """An id of 16 hexadecimal digits."""
    return secrets.token_hex(8)


def one_of(column: str, kind: Any) -> CheckConstraint:
    """The rule that a column holds one of a Literal's words."""
    words = ", ".join(f"'{word}'" for word in get_args(kind))
    return CheckConstraint(f"{column} IN ({words})", name=f"ck_{column}")


class Site(Base):
    """A publication whose comments are moderated by one set of rules."""

    __tablename__ = "sites"

    id: Mapped[str] = mapped_column(String(64), primary_key=True, doc="a-z, 0-9 and hyphens, as in addresses")
    name: Mapped[str] = mapped_column(String(200))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, doc="sites.SiteSettings, as chosen")
    weights: Mapped[dict[str, float] | None] = mapped_column(JSON, doc="triage weights fitted to its decisions")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    touched_at: Mapped[datetime] = mapped_column(Moment, default=now, doc="when evidence last changed")
    ranked_at: Mapped[datetime | None] = mapped_column(Moment, doc="up to which evidence its queue is ranked")


class Story(Base):
    """What readers comment on. A section is a word of the site's own, such as politics."""

    __tablename__ = "stories"
    __table_args__ = (UniqueConstraint("site_id", "external_id"), Index("ix_stories_section", "site_id", "section"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    external_id: Mapped[str] = mapped_column(OUTSIDE)
    url: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    text: Mapped[str | None] = mapped_column(Text, doc="of the article, if the site sent it")
    section: Mapped[str | None] = mapped_column(String(100))
    published_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Author(Base):
    """Someone who comments, by the opaque id that the site gave. Erased: the id and the name are NULL."""

    __tablename__ = "authors"
    __table_args__ = (UniqueConstraint("site_id", "external_id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    external_id: Mapped[str | None] = mapped_column(OUTSIDE)
    name: Mapped[str | None] = mapped_column(String(200))
    account_created_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    erased_at: Mapped[datetime | None] = mapped_column(Moment)


class Comment(Base):
    """A reader's comment. Its text is that of the revision of number `revision`."""

    __tablename__ = "comments"
    __table_args__ = (
        UniqueConstraint("site_id", "external_id"),
        Index("ix_comments_state", "site_id", "state"),
        Index("ix_comments_story", "story_id", "posted_at"),
        Index("ix_comments_author", "author_id"),
        one_of("state", State),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    external_id: Mapped[str] = mapped_column(OUTSIDE)
    story_id: Mapped[int | None] = mapped_column(ForeignKey("stories.id"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    parent_external_id: Mapped[str | None] = mapped_column(OUTSIDE, doc="the comment answered; it may be unknown")
    state: Mapped[State] = mapped_column(String(10), default="published")
    featured: Mapped[bool] = mapped_column(Boolean, default=False)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    do_not_store: Mapped[bool] = mapped_column(Boolean, default=False, doc="no text of it is kept")
    posted_at: Mapped[datetime] = mapped_column(Moment, default=now)
    received_at: Mapped[datetime] = mapped_column(Moment, default=now)
    from_reader: Mapped[bool] = mapped_column(
        Boolean, default=False, doc="its text came with a report from a page; the comment system has not sent it yet"
    )
    deleted_at: Mapped[datetime | None] = mapped_column(Moment, doc="its author took it back: no text is left")

    story: Mapped[Story | None] = relationship()
    author: Mapped[Author | None] = relationship()
    revisions: Mapped[list[Revision]] = relationship(order_by="Revision.number", back_populates="comment")


class Revision(Base):
    """One wording of a comment, from number 1. `digest` tells a changed text from a repeated one without the text."""

    __tablename__ = "revisions"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comments.id"))
    number: Mapped[int] = mapped_column(Integer)
    text: Mapped[str | None] = mapped_column(Text, doc="NULL: not to be stored, erased, or past its retention")
    digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), doc="HMAC-SHA256, keyed by a secret of the database")
    language: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)

    comment: Mapped[Comment] = relationship(back_populates="revisions")
    scores: Mapped[list[RevisionScores]] = relationship(order_by="RevisionScores.id")


class RevisionScores(Base):
    """A revision's scores by one model, calibrated, 0..1 by attribute."""

    __tablename__ = "scores"
    __table_args__ = (UniqueConstraint("revision_id", "model"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    model: Mapped[str] = mapped_column(String(200), doc="name and version, evenhand-minilm 0.2.0")
    shadow: Mapped[bool] = mapped_column(Boolean, default=False, doc="by a candidate that decides nothing")
    scores: Mapped[dict[str, float]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Reporter(Base):
    """Someone who reports, by an opaque id. Erased: the id is NULL."""

    __tablename__ = "reporters"
    __table_args__ = (UniqueConstraint("site_id", "external_id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    external_id: Mapped[str | None] = mapped_column(OUTSIDE)
    account_created_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    erased_at: Mapped[datetime | None] = mapped_column(Moment)


class Case(Base):
    """A comment for a person to look at; a comment has at most one open. Claimed while `leased_until` is to come.

    `log_odds` of P(upheld), `features` and `explanation` are as serving/triage ranked it last.
    """

    __tablename__ = "cases"
    __table_args__ = (
        # Two reports at the same moment must not open two cases of one comment.
        Index(
            "ux_cases_open", "comment_id", unique=True,
            sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_cases_queue", "site_id", "closed_at", "log_odds"),
        one_of("origin", Origin),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    comment_id: Mapped[int] = mapped_column(ForeignKey("comments.id"))
    origin: Mapped[Origin] = mapped_column(String(10))
    opened_at: Mapped[datetime] = mapped_column(Moment, default=now)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    escalated: Mapped[bool] = mapped_column(Boolean, default=False)
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("moderators.id"))
    leased_until: Mapped[datetime | None] = mapped_column(Moment)
    log_odds: Mapped[float] = mapped_column(Float, default=0.0)
    features: Mapped[dict[str, float] | None] = mapped_column(JSON)
    explanation: Mapped[list[Any] | None] = mapped_column(JSON, doc="[words, log-odds] of each line")

    comment: Mapped[Comment] = relationship()
    reports: Mapped[list[Report]] = relationship(order_by="Report.id", back_populates="case")


class Report(Base):
    """One reader's report of one revision for one reason; filing it again changes nothing.

    `upheld` is what became of it: set by the decision on its case while it stood, NULL before, and NULL if other words
    than those reported were kept. `at` is the first filing; withdrawing and filing again keep it.
    """

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("reporter_id", "comment_id", "revision", "reason"),
        Index("ix_reports_case", "case_id"),
        Index("ix_reports_comment", "comment_id"),
        Index("ix_reports_reporter", "reporter_id", "at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"))
    comment_id: Mapped[int] = mapped_column(ForeignKey("comments.id"))
    revision: Mapped[int] = mapped_column(Integer)
    reporter_id: Mapped[int] = mapped_column(ForeignKey("reporters.id"))
    reason: Mapped[str] = mapped_column(String(32), doc="one of triage.REASONS")
    details: Mapped[str | None] = mapped_column(Text, doc="in the reader's words, at most 500 characters")
    notice: Mapped[dict[str, Any] | None] = mapped_column(JSON, doc="fields of a notice under DSA Art. 16")
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Moment)
    upheld: Mapped[bool | None] = mapped_column(Boolean)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)

    case: Mapped[Case] = relationship(back_populates="reports")
    reporter: Mapped[Reporter] = relationship()


class Decision(Base):
    """What was done with a comment, by whom, on what grounds: enough to explain it a year later.

    A policy's decisions (accept, hold, flag, reject, feature) have no case of their own before them and may open one.
    `upheld`: whether a moderator's verdict bore the reports out; NULL for others. `before`: state and featured to go
    back to when it is undone or overturned.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_comment", "comment_id", "at"),
        Index("ix_decisions_site", "site_id", "at"),
        Index("ix_decisions_case", "case_id"),
        Index("ix_decisions_bulk", "bulk_id"),
        one_of("actor", Actor),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    comment_id: Mapped[int] = mapped_column(ForeignKey("comments.id"))
    revision: Mapped[int] = mapped_column(Integer)
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"))
    actor: Mapped[Actor] = mapped_column(String(10))
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderators.id"))
    key_id: Mapped[str | None] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(10), doc="a Verdict, or a policy's action")
    reason: Mapped[str | None] = mapped_column(String(32), doc="code of the house rule, of decisions.REASONS")
    note: Mapped[str | None] = mapped_column(Text, doc="of a moderator, for moderators")
    law: Mapped[str | None] = mapped_column(String(500), doc="that an illegal comment breaks")
    bulk_id: Mapped[str | None] = mapped_column(ID, doc="the decisions made at one stroke")
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    model: Mapped[str | None] = mapped_column(String(200))
    scores: Mapped[dict[str, float] | None] = mapped_column(JSON)
    policy_id: Mapped[int | None] = mapped_column(ForeignKey("policies.id"))
    rule: Mapped[dict[str, Any] | None] = mapped_column(JSON, doc="policies.Outcome.record: reasons, facts, shadow's")
    log_odds: Mapped[float | None] = mapped_column(Float, doc="of the case just before")
    features: Mapped[dict[str, float] | None] = mapped_column(JSON, doc="of the case just before, for triage.fit")
    before: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    upheld: Mapped[bool | None] = mapped_column(Boolean)
    undone_at: Mapped[datetime | None] = mapped_column(Moment)
    overturned_at: Mapped[datetime | None] = mapped_column(Moment)

    comment: Mapped[Comment] = relationship()


class Appeal(Base):
    """An author's complaint about a removal, one a decision; decided by someone else than who removed."""

    __tablename__ = "appeals"
    __table_args__ = (Index("ix_appeals_open", "site_id", "state"), one_of("state", AppealState))

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), unique=True)
    text: Mapped[str | None] = mapped_column(Text, doc="in the author's words, at most 2,000 characters")
    state: Mapped[AppealState] = mapped_column(String(10), default="open")
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderators.id"))
    note: Mapped[str | None] = mapped_column(Text)

    decision: Mapped[Decision] = relationship()


class Policy(Base):
    """A version of a site's rules, as its file was written. At most one is live and one in shadow."""

    __tablename__ = "policies"
    __table_args__ = (
        UniqueConstraint("site_id", "version"),
        Index(
            "ux_policies_state", "site_id", "state", unique=True,
            sqlite_where=text("state IN ('live', 'shadow')"), postgresql_where=text("state IN ('live', 'shadow')"),
        ),
        one_of("state", PolicyState),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[PolicyState] = mapped_column(String(10), default="draft")
    source: Mapped[str] = mapped_column(Text, doc="TOML")
    note: Mapped[str | None] = mapped_column(String(500))
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderators.id"))
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Moderator(Base):
    """Someone who may log in to the console. `sites`: those that the person works on; empty, all of them."""

    __tablename__ = "moderators"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True, doc="to log in with, lower case")
    password_hash: Mapped[str] = mapped_column(String(200), doc="argon2id")
    role: Mapped[Role] = mapped_column(String(10))
    sites: Mapped[list[str]] = mapped_column(JSON, default=list)
    preferences: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, doc="such as blur")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)


class Login(Base):
    """A session of the console. The cookie holds the token; here is its SHA-256."""

    __tablename__ = "logins"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderators.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    seen_at: Mapped[datetime] = mapped_column(Moment, default=now)

    moderator: Mapped[Moderator] = relationship()


class Hook(Base):
    """An address of the comment system that is told of decisions. The secret signs, so it is kept as it is."""

    __tablename__ = "hooks"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(200))
    events: Mapped[list[str]] = mapped_column(JSON, default=list, doc="empty: all")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)


class Delivery(Base):
    """The outbox: an event for one hook, written in the transaction that it tells of, and sent afterwards."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_due", "delivered_at", "dead_at", "next_at"),
        Index("ix_deliveries_comment", "hook_id", "comment_id"),
        {"sqlite_autoincrement": True},  # a number is never given twice, whatever is deleted
    )

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, doc="rises with each event of a comment")
    id: Mapped[str] = mapped_column(ID, unique=True, default=new_id)
    hook_id: Mapped[str] = mapped_column(ForeignKey("hooks.id"), index=True)
    comment_id: Mapped[int | None] = mapped_column(ForeignKey("comments.id"), doc="what it is about; sent in order")
    event: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON, doc="ids and decisions, never a comment's text")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime] = mapped_column(Moment, default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)
    dead_at: Mapped[datetime | None] = mapped_column(Moment)
    problem: Mapped[str | None] = mapped_column(String(200), doc="of the last attempt: a status, or a kind of error")

    hook: Mapped[Hook] = relationship()


class Model(Base):
    """A model artifact that was put to use here, and when. At most one is live and one in shadow; none live: the one
    of the settings. `replaced` is the one to roll back to; NULL, that of the settings.
    """

    __tablename__ = "models"
    __table_args__ = (
        Index(
            "ux_models_state", "state", unique=True,
            sqlite_where=text("state IN ('live', 'shadow')"), postgresql_where=text("state IN ('live', 'shadow')"),
        ),
        one_of("state", ModelState),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    path: Mapped[str] = mapped_column(Text, doc="directory of the artifact, absolute")
    name: Mapped[str] = mapped_column(String(200), doc="name and version, as in scores.model")
    sha256: Mapped[str] = mapped_column(String(64), doc="of its manifest, which has the hashes of all else")
    state: Mapped[ModelState] = mapped_column(String(10))
    replaced_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    added_at: Mapped[datetime] = mapped_column(Moment, default=now)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=now)


class AuditEntry(Base):
    """The audit log: append-only (triggers refuse changes), each entry's hash covers the one before.

    It names rows by id and holds no text of anyone, so that erasing a person breaks no chain.
    """

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, doc="from 1, without gaps")
    at: Mapped[datetime] = mapped_column(Moment)
    actor: Mapped[str] = mapped_column(String(64), doc="moderator:7, key:ab12…, policy:3 or command")
    action: Mapped[str] = mapped_column(String(64), doc="such as decision.made")
    subject: Mapped[str] = mapped_column(String(128), doc="such as decision:ab12…")
    site_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    hash: Mapped[str] = mapped_column(String(64), doc="SHA-256, hexadecimal")


class Secret(Base):
    """Random bytes that this database's digests are keyed by."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(64))
