"""Statements of reasons: why a comment was removed, as Art. 17 of the Digital Services Act wants it told to its author,
and as the Commission's transparency database takes it.

A statement names nobody, and quotes neither the comment nor what people wrote about it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from jinja2 import Environment, StrictUndefined
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving.moderation import sites
from serving.moderation.appeals import RESTRICTIONS
from serving.moderation.problems import conflict
from serving.moderation.reasons import REASONS, Reason
from serving.moderation.records import COUNTRIES, FACTS, GROUND, LANGUAGES, REFERENCE, WHY, Record
from serving.moderation.sites import SiteSettings
from serving.moderation.tables import Case, Comment, Decision, Report, Revision, Site
from serving.triage import REASONS as ATTRIBUTES

LAW = "The law that applies to the publication"  # of a removal as illegal without a law named
# The database's own bounds; comments of old archives may be older.
FIRST, LAST = date(2000, 1, 1), date(2038, 1, 1)


@dataclass(frozen=True, slots=True)
class Statement:
    """A restriction in all that is told about it. `appeal_until`: None if there is no time for an appeal any more."""

    decision: Decision
    site: Site
    settings: SiteSettings
    reason: Reason
    facts: str
    notices: int
    reports: int
    detected: bool
    automated: str
    record: Record
    appeal_until: date | None


def of(session: Session, decision: Decision) -> Statement:
    """The statement of a removal or a policy's rejection. Raises ModerationError: no_restriction, undone.

    One that an appeal has overturned has an end.
    """
    if decision.action not in RESTRICTIONS:
        raise conflict(
            "no_restriction", "decision", "it removed nothing, so that there is nothing to state reasons for"
        )
    if decision.undone_at is not None:
        raise conflict("undone", "decision", "it was undone, so that nothing is restricted")
    site = session.get_one(Site, decision.site_id)
    settings, comment = sites.settings(site), session.get_one(Comment, decision.comment_id)
    case = session.get(Case, decision.case_id) if decision.case_id else None
    reports = _reports(session, decision)
    notices = sum(report.notice is not None for report in reports)
    detected = decision.actor == "policy" or (case is not None and case.origin == "policy")
    reason = REASONS[_code(decision)]
    facts = _facts(session, decision, comment, reports, notices, detected)
    automated = "FULLY" if decision.actor == "policy" else "PARTIALLY" if decision.bulk_id else "NOT_AUTOMATED"
    language = session.scalars(
        select(Revision.language).where(Revision.comment_id == comment.id, Revision.number == decision.revision)
    ).first()
    record = _record(decision, comment, settings, reason, facts, language, case, notices, detected, automated)
    until = decision.at + timedelta(days=settings.appeal_days)
    open_yet = settings.appeal_days > 0 and decision.overturned_at is None
    return Statement(
        decision, site, settings, reason, facts, notices, len(reports), detected, automated, record,
        until.date() if open_yet else None,
    )  # fmt: skip


def text(statement: Statement) -> str:
    """What its author is told, as plain text."""
    return "\n\n".join(f"{title}\n{words}" for title, words in _told(statement)) + "\n"


def html(statement: Statement) -> str:
    """The same as a page."""
    title = f"Statement of reasons {statement.decision.id}"
    return _PAGE.render(title=title, site=statement.site.name, told=_told(statement))


def _record(
    decision: Decision,
    comment: Comment,
    settings: SiteSettings,
    reason: Reason,
    facts: str,
    language: str | None,
    case: Case | None,
    notices: int,
    detected: bool,
    automated: str,
) -> Record:
    explanation = f"The comment {reason.told}."[:WHY]
    if reason.illegal:
        law = decision.law or settings.legal_ground or LAW
        ground = {"illegal_content_legal_ground": law[:GROUND], "illegal_content_explanation": explanation}
    else:
        words = f"House rules: {reason.words}"
        ground = {"incompatible_content_ground": words[:GROUND], "incompatible_content_explanation": explanation}
    told = "SOURCE_TYPE_OTHER_NOTIFICATION" if case is not None and case.origin == "report" else "SOURCE_VOLUNTARY"
    code = (language or "").split("-")[0].upper()
    terms = settings.terms_url if settings.terms_url and len(settings.terms_url) <= REFERENCE else None
    return Record.model_validate(
        ground
        | {
            "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
            "decision_ground": f"DECISION_GROUND_{'ILLEGAL' if reason.illegal else 'INCOMPATIBLE'}_CONTENT",
            "decision_ground_reference_url": terms,
            "content_type": ["CONTENT_TYPE_TEXT"],
            "category": reason.category,
            "category_specification": [reason.keyword] if reason.keyword else None,
            "territorial_scope": [code for code in COUNTRIES if code in settings.territories] or None,
            "content_language": code if code in LANGUAGES else None,
            "content_date": min(max(comment.posted_at.date(), FIRST), LAST),
            "application_date": decision.at.date(),
            "end_date_visibility_restriction": decision.overturned_at.date() if decision.overturned_at else None,
            "decision_facts": facts,
            "source_type": "SOURCE_ARTICLE_16" if notices else told,
            "automated_detection": "Yes" if detected else "No",
            "automated_decision": f"AUTOMATED_DECISION_{automated}",
            "puid": f"{decision.site_id}-{decision.id}",
        }
    )


def _code(decision: Decision) -> str:
    """The house rule: the one named, or what the score behind a policy's rule speaks for."""
    if decision.reason is not None:
        return decision.reason
    attribute = _rule(decision).get("attribute")
    return next((code for code, speaking in ATTRIBUTES.items() if attribute in speaking), "other")


def _rule(decision: Decision) -> dict[str, object]:
    """The first reason of a policy's decision: rule, attribute, score, threshold, and words for the author."""
    reasons = (decision.rule or {}).get("reasons") or [{}]
    first = reasons[0]
    return first if isinstance(first, dict) else {}


def _reports(session: Session, decision: Decision) -> list[Report]:
    """Those that the decision was about: of its case, and not withdrawn."""
    if decision.case_id is None:
        return []
    wanted = select(Report).where(Report.case_id == decision.case_id, Report.withdrawn_at.is_(None))
    return list(session.scalars(wanted.where(Report.at <= decision.at).order_by(Report.id)))


def _facts(
    session: Session, decision: Decision, comment: Comment, reports: list[Report], notices: int, detected: bool
) -> str:
    said = [f"The comment was posted on {comment.posted_at:%Y-%m-%d}."]
    if reports:
        counted = Counter(report.reason for report in reports).most_common()
        named = ", ".join(f"{reason.replace('_', ' ')} ({count})" for reason, count in counted)
        readers = len({report.reporter_id for report in reports})
        said.append(f"{readers} {'reader' if readers == 1 else 'readers'} reported it, as {named}.")
    if notices:
        said.append(
            f"{notices} of the reports {'was a notice' if notices == 1 else 'were notices'} of illegal content."
        )
    if detected:
        said.append("Software noticed it by its wording.")
    elif not reports:
        said.append("The publication's own staff noticed it.")
    rule = _rule(decision)
    if isinstance(score := rule.get("score"), float) and "attribute" in rule:
        said.append(f"A model scored it {score:.2f} for {rule['attribute']}, on a scale from 0 to 1.")
    elif decision.scores and "report_worthy" in decision.scores:
        score = decision.scores["report_worthy"]
        said.append(
            f"A model scored it {score:.2f} for report_worthy, on a scale from 0 to 1, for the one who decided."
        )
    if decision.actor == "policy":
        said.append("A rule of the publication decided by that score; no person had looked at it yet.")
    elif decision.bulk_id:
        many = session.scalar(select(func.count()).where(Decision.bulk_id == decision.bulk_id)) or 1
        said.append(f"A person decided on {many} comments at one stroke, which were chosen by their scores.")
    else:
        said.append("A person looked at it and decided.")
    return " ".join(said)[:FACTS]


def _told(statement: Statement) -> list[tuple[str, str]]:
    """Headings and what stands under them, in the order of Art. 17(3)."""
    decision, settings, record = statement.decision, statement.settings, statement.record
    where = f"in {', '.join(settings.territories)}" if settings.territories else "everywhere"
    end = f"until {decision.overturned_at:%Y-%m-%d}, when it was overturned" if decision.overturned_at else "for good"
    ground = record.illegal_content_legal_ground or record.incompatible_content_ground or ""
    terms = f"\nThe rules: {settings.terms_url}" if settings.terms_url and not statement.reason.illegal else ""
    automated = {
        "FULLY": "It was decided by automated means.",
        "PARTIALLY": "A person decided; software had chosen the comments to decide on.",
        "NOT_AUTOMATED": "It was decided by a person.",
    }[statement.automated]
    detected = "found by automated means" if statement.detected else "not found by automated means"
    redress = [words for words in (_appeal(statement), settings.redress) if words]
    return [
        ("What was decided", f"Your comment on {statement.site.name} was removed on {decision.at:%Y-%m-%d}: it is not "
         f"shown, {where}, {end}. Reference: {record.puid}"),
        ("Why", f"It {statement.reason.told}. {ground}.{terms}"),
        ("Facts and circumstances", statement.facts),
        ("Automated means", f"The comment was {detected}. {automated}"),
        ("What you can do", "\n".join(redress) or "You can turn to a court."),
    ]  # fmt: skip


def _appeal(statement: Statement) -> str | None:
    if statement.appeal_until is None:
        return None
    return (
        f"You can appeal until {statement.appeal_until}, where you wrote the comment; somebody else than who removed "
        "it will decide. You can also turn to an out-of-court dispute settlement body, or to a court."
    )


_PAGE = Environment(autoescape=True, undefined=StrictUndefined).from_string(
    """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<h1>{{ site }}: why your comment was removed</h1>
{% for heading, words in told -%}
<h2>{{ heading }}</h2>
{% for line in words.splitlines() %}<p>{{ line }}</p>
{% endfor %}{% endfor -%}
</html>
"""
)
