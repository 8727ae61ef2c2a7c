from __future__ import annotations

import json
from datetime import UTC, date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.moderation import appeals, decisions, statements
from serving.moderation.decisions import REASONS, By
from serving.moderation.records import CATEGORIES, COUNTRIES, Record
from serving.moderation.tables import Case, Decision, Report
from serving.store import now
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.test_appeals import filed, settled
from tests.serving.moderation.test_decisions import KEY, decided, refused
from tests.serving.moderation.world import TEXT, World

# As the database's documentation has it: what must be there for a removal under the terms.
REQUIRED = {
    "decision_visibility", "decision_ground", "content_type", "category", "content_date", "application_date",
    "decision_facts", "source_type", "automated_detection", "automated_decision", "puid",
}  # fmt: skip


def stated(world: World, decision: str) -> dict[str, Any]:
    with world.store.session() as session:
        statement = statements.of(session, session.get_one(Decision, decision))
        assert TEXT not in statements.text(statement) + statements.html(statement)
        return statement.record.json_ready()


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_gives_a_record_that_the_database_takes(world: World, reason: str) -> None:
    record = stated(world, decided(world, world.case(), "remove", reason=reason))
    assert set(record) >= REQUIRED
    illegal = reason == "illegal"
    assert ("illegal_content_legal_ground" in record) == ("illegal_content_explanation" in record) == illegal
    assert ("incompatible_content_ground" in record) == ("incompatible_content_explanation" in record) == (not illegal)
    assert set(record.get("category_specification", [])) <= set(CATEGORIES[record["category"]])
    json.dumps(record)


def test_who_noticed_and_who_decided_is_told(world: World) -> None:
    def means(decision: str) -> tuple[str, str, str]:
        record = stated(world, decision)
        return record["source_type"], record["automated_detection"], record["automated_decision"]

    reported = world.case("a", "rita", "ron")
    assert means(decided(world, reported, "remove")) == (
        "SOURCE_TYPE_OTHER_NOTIFICATION", "No", "AUTOMATED_DECISION_NOT_AUTOMATED",
    )  # fmt: skip
    notice = world.case("b")
    with world.store.writing() as session:
        session.query(Report).filter_by(case_id=notice).one().notice = {"explanation": "§ 185", "name": "Rita"}
    record = stated(world, decided(world, notice, "remove", reason="illegal"))
    assert record["source_type"] == "SOURCE_ARTICLE_16"
    assert record["illegal_content_legal_ground"] == statements.LAW
    assert "Rita" not in str(record)
    world.comment("c")
    with world.store.writing() as session:
        unasked = decisions.decide_comment(session, world.row(session, "c"), "remove", KEY, reason="spam").id
    assert means(unasked) == ("SOURCE_VOLUNTARY", "No", "AUTOMATED_DECISION_NOT_AUTOMATED")
    world.comment("d")
    with world.store.writing() as session:
        comment = world.row(session, "d")
        reasons = [{"attribute": "identity_attack", "score": 0.97, "threshold": 0.95, "rule": 1, "action": "reject"}]
        rule = {"action": "reject", "why": "rule", "reasons": reasons}
        session.add(
            Decision(
                id="d" * 16, site_id=world.site, comment_id=comment.id, revision=1, actor="policy", action="reject",
                rule=rule,
            )
        )  # fmt: skip
    assert means("d" * 16) == ("SOURCE_VOLUNTARY", "Yes", "AUTOMATED_DECISION_FULLY")
    assert stated(world, "d" * 16)["category_specification"] == ["KEYWORD_HATE_SPEECH"]
    assert "0.97 for identity_attack" in stated(world, "d" * 16)["decision_facts"]


def test_a_law_that_was_named(world: World) -> None:
    case = world.case()
    with world.store.writing() as session:
        made = decisions.decide_comment(
            session, world.row(session, session.get_one(Case, case).comment.external_id), "remove", KEY,
            reason="illegal", law="§ 130 StGB",
        )  # fmt: skip
        assert statements.of(session, made).record.illegal_content_legal_ground == "§ 130 StGB"


def test_what_removed_nothing_has_no_statement(world: World) -> None:
    kept, removed = decided(world, world.case(), "keep"), decided(world, world.case(), "remove")
    refused("no_restriction", lambda: stated(world, kept))
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, removed), KEY)
    refused("undone", lambda: stated(world, removed))


def test_an_overturned_removal_has_an_end(world: World) -> None:
    made = decided(world, world.case(), "remove")
    settled(world, filed(world, made), "overturned")
    with world.store.session() as session:
        ended = session.get_one(Decision, made).overturned_at
    assert ended and abs(now() - ended) < timedelta(hours=1)
    assert stated(world, made)["end_date_visibility_restriction"] == ended.astimezone(UTC).date().isoformat()
    assert appeals.RESTRICTIONS == ("remove", "reject")


GOOD: dict[str, Any] = {
    "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
    "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
    "incompatible_content_ground": "House rules",
    "incompatible_content_explanation": "It is spam.",
    "content_type": ["CONTENT_TYPE_TEXT"],
    "category": "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
    "content_date": "2026-01-01",
    "application_date": "2026-01-02",
    "decision_facts": "Posted, reported, removed.",
    "source_type": "SOURCE_VOLUNTARY",
    "automated_detection": "No",
    "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
    "puid": "daily-1",
}


@pytest.mark.parametrize(
    "bad",
    [
        {"incompatible_content_ground": None},
        {"incompatible_content_ground": "x" * 501},
        {"incompatible_content_explanation": "x" * 2001},
        {"illegal_content_legal_ground": "§ 1"},
        {"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT"},
        {"decision_visibility": []},
        {"category": "STATEMENT_CATEGORY_RUDE"},
        {"category_specification": ["KEYWORD_HATE_SPEECH"]},
        {"territorial_scope": ["US"]},
        {"content_language": "english"},
        {"content_date": "1999-12-31"},
        {"application_date": "2019-12-31"},
        {"end_date_visibility_restriction": "2026-01-01"},
        {"decision_facts": "x" * 5001},
        {"decision_facts": ""},
        {"automated_detection": True},
        {"puid": "a b"},
        {"puid": "x" * 501},
        {"source": "Rita"},
    ],
)
def test_what_the_database_refuses_is_refused(bad: dict[str, Any]) -> None:
    assert Record.model_validate(GOOD).json_ready() == GOOD
    with pytest.raises(ValidationError):
        Record.model_validate(GOOD | bad)


@given(
    st.text(min_size=1).filter(str.strip),
    st.dates(date(2000, 1, 1), date(2038, 1, 1)),
    st.lists(st.sampled_from(COUNTRIES), min_size=1, unique=True),
)
def test_what_fits_the_limits_is_taken_as_it_is(words: str, day: date, countries: list[str]) -> None:
    facts = words.strip()[:5000].strip()
    more = {"decision_facts": facts, "content_date": day.isoformat(), "territorial_scope": countries}
    record = Record.model_validate(GOOD | more).json_ready()
    assert record == GOOD | more
    assert len(str(record["decision_facts"])) <= 5000


def test_over_http(served: Service) -> None:
    world = served.world(
        terms_url="https://news.example/<rules>", redress="Write to the ombudsman.", territories=["DE", "AT"]
    )
    made = served.call("POST", f"/v1/cases/{world.case()}/decision", {"verdict": "remove", "reason": "hateful"})
    path = f"/v1/decisions/{made['id']}/statement"
    record = served.call("GET", path)
    assert record["puid"] == f"{world.site}-{made['id']}"
    assert record["territorial_scope"] == ["AT", "DE"]
    assert record["decision_ground_reference_url"] == "https://news.example/<rules>"
    text, page = served.call("GET", path + "?format=text"), served.call("GET", path + "?format=html")
    for part in ("attacks people for the group", "You can appeal until", "ombudsman", "decided by a person"):
        assert part in text
        assert part in page
    assert "<rules>" in text
    assert "&lt;rules&gt;" in page
    assert served.call("GET", path + "?format=pdf", status=422)["field"] == "format"
    kept = served.call("POST", f"/v1/cases/{world.case()}/decision", {"verdict": "keep"})
    assert served.call("GET", f"/v1/decisions/{kept['id']}/statement", status=409)["code"] == "no_restriction"


def test_a_bulk_decision_is_partly_automated(served: Service) -> None:
    world = served.world()
    body = {"site": world.site, "verdict": "remove", "reason": "spam", "cases": {world.case(): 1, world.case(): 1}}
    made = served.call("POST", "/v1/decisions/bulk", body)
    record = served.call("GET", f"/v1/decisions/{made['decisions'][0]}/statement")
    assert record["automated_decision"] == "AUTOMATED_DECISION_PARTIALLY"
    assert "2 comments at one stroke" in record["decision_facts"]
    assert By("key").name == "local"
