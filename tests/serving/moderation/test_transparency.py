from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

from serving.moderation import decisions, transparency
from serving.moderation.tables import Case, Decision
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.test_appeals import filed, settled
from tests.serving.moderation.test_decisions import KEY, decided
from tests.serving.moderation.world import World


def around() -> tuple[date, date]:
    """Yesterday and tomorrow: a period that holds what was just done, though the day may end meanwhile."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=1), today + timedelta(days=1)


def populated(world: World) -> None:
    removed = [decided(world, world.case(f"r{number}", "rita", "ron"), "remove") for number in range(3)]
    decided(world, world.case("k"), "keep")
    world.case("open")
    undone = decided(world, world.case("u"), "remove", reason="spam")
    world.comment("policy")
    with world.store.writing() as session:
        decisions.undo(session, session.get_one(Decision, undone), KEY)
        comment = world.row(session, "policy")
        session.add(
            Decision(site_id=world.site, comment_id=comment.id, revision=1, actor="policy", action="reject", rule={})
        )
        for hours, decision in enumerate(removed):
            row = session.get_one(Decision, decision)
            case = session.get_one(Case, row.case_id)
            case.opened_at = row.at - timedelta(hours=hours)
        kept = session.query(Decision).filter_by(site_id=world.site, action="keep").one()
        session.get_one(Case, kept.case_id).opened_at = kept.at - timedelta(hours=10)
    settled(world, filed(world, removed[0]), "overturned")
    settled(world, filed(world, removed[1]), "upheld")
    filed(world, removed[2])


def test_the_counts_of_a_period(world: World) -> None:
    populated(world)
    first, last = around()
    with world.store.session() as session:
        found = transparency.counts(session, world.site, first, last)
        never = transparency.counts(session, world.site, date(2020, 1, 1), first - timedelta(days=1))
    assert found.reports == {"abusive": 9}
    assert [(row.action, row.reason, row.automated, row.count) for row in found.decisions] == [
        ("keep", None, False, 1), ("remove", "abusive", False, 3), ("reject", None, True, 1),
    ]  # fmt: skip
    assert found.overturned == 1
    assert found.median_seconds_to_decision == 1.5 * 3600
    assert found.appeals == {"open": 1, "overturned": 1, "upheld": 1}
    assert found.median_seconds_to_appeal_decision is not None
    assert (never.reports, never.decisions, never.appeals, never.median_seconds_to_decision) == ({}, [], {}, None)


def test_over_http_as_json_and_csv(served: Service) -> None:
    world = served.world()
    populated(world)
    first, last = around()
    path = f"/v1/transparency?site={world.site}&from={first}&to={last}"
    found = served.call("GET", path)
    rows = list(csv.DictReader(io.StringIO(served.call("GET", path + "&format=csv"))))
    decided = {
        (row["action"], row["reason"], row["automated"]): int(row["value"])
        for row in rows
        if row["what"] == "decisions"
    }
    assert decided == {
        (row["action"], row["reason"] or "", "yes" if row["automated"] else "no"): row["count"]
        for row in found["decisions"]
    }
    assert [row["value"] for row in rows if row["what"] == "overturned"] == ["1"]
    backwards = f"/v1/transparency?site={world.site}&from={first}&to=2020-01-01"
    assert served.call("GET", backwards, status=422)["field"] == "to"
    assert served.call("GET", f"/v1/transparency?site={world.site}&to={last}", status=422)["field"] == "from"
    assert served.call("GET", path.replace(world.site, "nowhere"), status=404)["code"] == "unknown_site"
