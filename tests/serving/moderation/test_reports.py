from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import func, select

from serving import keys, triage
from serving.moderation import comments, decisions, reports
from serving.moderation.decisions import By
from serving.moderation.problems import ModerationError
from serving.moderation.reports import AGAIN, Filed, Filing, LimitError
from serving.moderation.submissions import Submission
from serving.moderation.tables import Author, Case, Comment, Delivery, Hook, Report, Reporter
from serving.store import Store, now
from tests import databases
from tests.service import running
from tests.serving.moderation.calls import call
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.world import World

NOTICE = {"explanation": "Incites to hatred.", "name": "Rita", "email": "rita@example.org", "good_faith": True}


def filed(world: World, reader: str = "r1", reason: str = "abusive", comment: str = "c1", **more: Any) -> Filed:
    at = more.pop("at", None) or now()
    believed = more.pop("believed", True)
    account = more.pop("account", None)
    filing = Filing.model_validate({"reporter": {"id": reader, "account_created_at": account}, "reason": reason} | more)
    with world.store.writing() as session:
        return reports.file(session, world.site, comment, filing, at, believed=believed)


def withdrawn(world: World, reader: str = "r1", reason: triage.Reason | None = None) -> int:
    with world.store.writing() as session:
        return reports.withdraw(session, world.site_row(session), world.row(session, "c1"), reader, reason, now())


def decided(world: World, verdict: Any, case: str | None) -> None:
    with world.store.writing() as session:
        row = session.get_one(Case, case)
        decisions.decide(session, row, verdict, By("key"), reason="abusive" if verdict == "remove" else None)


def reworded(world: World, text: str = "A new wording.") -> None:
    with world.store.writing() as session:
        given = comments.Given("model 1", {"report_worthy": 0.1})
        comments.submit(session, world.site_row(session), "c1", Submission(text=text), given, now())


def all_of(world: World, kind: type[Any]) -> list[Any]:
    with world.store.session() as session:
        return list(session.scalars(select(kind)))


@pytest.fixture
def world(store: Store) -> World:
    world = World.made(store, reports_per_hour=4)
    world.comment("c1")
    return world


def test_reports_merge_into_one_case_and_the_same_again_changes_nothing(world: World) -> None:
    first = filed(world, "r1")
    assert (first.state, first.opened) == ("received", True)
    for reader, reason in (("r1", "spam"), ("r2", "abusive"), ("r3", "hateful")):
        assert filed(world, reader, reason) == Filed("received", first.case)
    assert filed(world, "r1") == Filed("already_reported", first.case)
    assert len(all_of(world, Report)) == 4 and len(all_of(world, Case)) == 1 and len(all_of(world, Reporter)) == 3


def test_hooks_are_told_of_a_new_case_once(world: World) -> None:
    with world.store.writing() as session:
        session.add(Hook(site_id=world.site, url="https://news.example/", secret="s", events=[]))
    case = filed(world).case
    filed(world, "r2")
    [told] = all_of(world, Delivery)
    assert told.event == "case.opened"
    assert (told.body["case"]["id"], told.body["comment"]["id"]) == (case, "c1")


def test_many_at_the_same_moment_open_one_case(world: World) -> None:
    together = Barrier(12)

    def file(number: int) -> Filed:
        together.wait()
        return filed(world, f"r{number % 6}")  # each reader twice

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(file, range(12)))
    assert len({one.case for one in found}) == 1 and sum(one.opened for one in found) == 1
    assert sorted(one.state for one in found) == ["already_reported"] * 6 + ["received"] * 6
    assert len(all_of(world, Report)) == 6


def test_a_reader_may_report_so_many_an_hour_counted_together(world: World) -> None:
    for number in range(8):
        world.comment(f"x{number}")
    filed(world, comment="x0", at=now() - timedelta(hours=2))
    together = Barrier(7)

    def file(number: int) -> bool:
        together.wait()
        try:
            filed(world, comment=f"x{number}")
        except LimitError as error:
            assert 3500 < error.retry_after <= 3600
            return False
        return True

    with ThreadPoolExecutor(7) as pool:
        assert sum(pool.map(file, range(1, 8))) == 4
    assert filed(world, "r2", comment="x7").state == "received"  # the limit is each reader's own


def test_withdrawing_and_filing_again_keeps_the_first_moment(world: World) -> None:
    long_ago = now() - timedelta(minutes=30)
    case = filed(world, at=long_ago).case
    for _ in range(10):
        assert withdrawn(world) == 1
        assert withdrawn(world) == 0
        assert filed(world) == Filed("received", case)
    [report] = all_of(world, Report)
    assert (report.at, report.withdrawn_at) == (long_ago, None)


def test_one_reason_or_all_are_withdrawn(world: World) -> None:
    for reason in ("abusive", "spam", "hateful"):
        filed(world, reason=reason)
    filed(world, "r2")
    assert (withdrawn(world, reason="spam"), withdrawn(world), withdrawn(world, "nobody")) == (1, 2, 0)


def test_a_decided_report_is_answered_with_the_decision_and_cannot_be_withdrawn(world: World) -> None:
    case = filed(world).case
    filed(world, "r2", "spam")
    withdrawn(world, "r2")
    decided(world, "remove", case)
    assert filed(world) == Filed("removed", case)
    assert filed(world, "r3") == Filed("removed", None)
    assert withdrawn(world) == 0
    assert {report.reason: report.upheld for report in all_of(world, Report)} == {"abusive": True, "spam": None}


def test_a_kept_wording_is_looked_at_again_only_for_new_evidence(world: World) -> None:
    kept = filed(world, "r1").case
    decided(world, "keep", kept)
    assert filed(world, "r1").state == "kept"
    assert filed(world, "r1", "spam") == Filed("kept", kept)  # one who was heard is no new evidence
    for number in range(AGAIN - 1):
        assert filed(world, f"n{number}") == Filed("kept", kept)
        assert filed(world, f"n{number}", "hateful") == Filed("kept", kept)
    again = filed(world, "n9")
    assert (again.state, again.opened, again.case != kept) == ("received", True, True)
    waiting = [report.case_id for report in all_of(world, Report) if report.upheld is None]
    assert set(waiting) == {again.case} and len(waiting) == 2 * AGAIN


def test_a_new_wording_and_a_notice_open_a_case_at_once(world: World) -> None:
    kept = filed(world).case
    decided(world, "keep", kept)
    noticed = filed(world, "r2", "illegal", notice=NOTICE)
    assert noticed.opened and noticed.case != kept
    decided(world, "keep", noticed.case)
    reworded(world)
    again = filed(world, "r1")
    assert again.opened and [report.revision for report in all_of(world, Report)] == [1, 1, 2]


def test_a_reader_may_report_the_wording_that_was_seen(world: World) -> None:
    reworded(world)
    filed(world, revision=1)
    filed(world)
    assert [report.revision for report in all_of(world, Report)] == [1, 2]
    with pytest.raises(ModerationError, match="the comment has 2"):
        filed(world, revision=3)


def test_words_that_are_gone_open_no_case_where_the_present_ones_were_kept(world: World) -> None:
    case = filed(world).case
    reworded(world)
    decided(world, "keep", case)
    assert filed(world, "r2", revision=1) == Filed("kept", case)
    reworded(world, "A third wording.")
    again = filed(world, "r3")
    assert again.opened and again.case != case


def test_a_report_with_the_text_does_not_keep_what_is_not_to_be_stored(served: Service) -> None:
    world = served.world()
    path, text = f"/v1/sites/{world.site}/comments/c1", "Not to be kept, you clown."
    served.call("PUT", path, {"text": text, "do_not_store": True})
    body = {"site": world.site, "comment": {"id": "c1", "text": text}, "reporter": {"id": "r"}, "reason": "abusive"}
    case = served.call("POST", "/v1/reports", body)["case"]
    found = served.call("GET", f"/v1/cases/{case}")["comment"]
    assert (found["text"], found["do_not_store"]) == (None, True)
    body["comment"] = {"id": "c2", "text": text}
    case = served.call("POST", "/v1/reports", body)["case"]
    assert served.call("GET", f"/v1/cases/{case}")["comment"]["text"] == text


def test_what_a_page_says_of_an_account_is_not_believed(world: World) -> None:
    old = datetime(2015, 1, 1, tzinfo=UTC)
    with world.store.writing() as session:
        session.add(Author(site_id=world.site, external_id="writer", account_created_at=old))
    filed(world, "r1", account="2015-01-01T00:00:00Z", believed=False)
    filed(world, "writer", account="2001-01-01T00:00:00Z", believed=False)
    filed(world, "r3", account="2015-01-01T00:00:00Z", believed=True)
    found = {row.external_id: row.account_created_at for row in all_of(world, Reporter)}
    assert found == {"r1": None, "writer": old, "r3": old}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": "ugly"}, "reason"),
        ({"reason": "illegal"}, "notice"),
        ({"notice": NOTICE}, "notice"),
        ({"reason": "illegal", "notice": NOTICE | {"email": None}}, "notice.email"),
        ({"reason": "illegal", "notice": NOTICE | {"name": " "}}, "notice.name"),
        ({"reason": "illegal", "notice": NOTICE | {"good_faith": False}}, "notice.good_faith"),
        ({"reason": "illegal", "notice": NOTICE | {"explanation": ""}}, "notice.explanation"),
        ({"details": "x" * 501}, "details"),
        ({"reporter": {"id": ""}}, "reporter.id"),
        ({"comment": 7}, "comment"),
        ({"comment": {"id": "c1", "text": ""}}, "comment.text"),
        ({"revision": 0}, "revision"),
        ({"revision": 2}, "revision"),
    ],
)
def test_a_bad_report_names_its_field(served: Service, change: dict[str, Any], field: str) -> None:
    world = served.world()
    world.comment("c1")
    body = {"site": world.site, "comment": "c1", "reporter": {"id": "r1"}, "reason": "abusive"}
    error = served.call("POST", "/v1/reports", body | change, 422)
    assert (error["code"], error["field"]) == ("invalid_request", field)


@given(st.fixed_dictionaries({}, optional={
    "reporter": st.fixed_dictionaries({}, optional={"id": st.text(), "account_created_at": st.text() | st.integers()}),
    "reason": st.sampled_from([*triage.REASONS, "x"]), "details": st.none() | st.text(max_size=600),
    "revision": st.none() | st.integers(),
    "notice": st.none() | st.just(NOTICE) | st.dictionaries(st.text(), st.text()),
}))  # fmt: skip
def test_a_filing_is_read_or_refused(body: Any) -> None:
    try:
        found = Filing.model_validate(body)
    except ValidationError:
        return
    assert (found.reason == "illegal") == (found.notice is not None)


def test_reports_over_http(served: Service) -> None:
    world = served.world(reports_per_hour=2)
    world.comment("c1")
    body = {"site": world.site, "comment": "c1", "reporter": {"id": "r1"}, "reason": "abusive"}
    body["details"] = "<script>alert(1)</script>"
    found = served.call("POST", "/v1/reports", body)
    assert (found["state"], found["acknowledgement"]) == ("received", None)
    assert served.call("POST", "/v1/reports", body)["state"] == "already_reported"
    noticed = served.call("POST", "/v1/reports", body | {"reason": "illegal", "notice": NOTICE})
    assert noticed["case"] == found["case"] and "received" in noticed["acknowledgement"]
    error = served.call("POST", "/v1/reports", body | {"reason": "spam"}, 429)
    assert error["code"] == "too_many_reports"
    seen = served.call("GET", f"/v1/cases/{found['case']}")["reports"]
    assert [one["details"] for one in seen] == [body["details"]] * 2
    assert seen[1]["notice"] == NOTICE | {"child_protection": False}
    which = {"site": world.site, "comment": "c1", "reporter": {"id": "r1"}}
    assert served.call("POST", "/v1/reports/withdraw", which) == {"withdrawn": 2}
    unknown = served.call("POST", "/v1/reports", body | {"comment": "none"}, 404)
    assert unknown["code"] == "unknown_comment"
    metrics = served.call("GET", "/metrics")
    assert 'evenhand_reports_total{outcome="received"}' in metrics and "evenhand_cases_open " in metrics


def test_a_page_reports_with_a_key_of_its_own_and_can_change_nothing_else(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    store = Store(url)
    store.open()
    world = World.made(store)
    world.comment("c1", text="As it was written.")
    page = keys.create(store, "page", ["reports"], 100)[1]
    system = keys.create(store, "system", ["comments", "reports", "moderate"], 100)[1]
    with running(tmp_path / "log", database_url=url, mode="keys") as server:
        body = {"site": "daily", "reporter": {"id": "r1", "account_created_at": "2001-01-01T00:00:00Z"}}
        body |= {"reason": "abusive", "comment": {"id": "c1", "text": "Put into the author's mouth."}}
        call(server, "POST", "/v1/reports", body, key=page)
        body["comment"] = {"id": "c2", "text": "Only on the page.", "story": {"id": "s1", "title": "Changed"}}
        case = call(server, "POST", "/v1/reports", body, key=page)["case"]
        body["comment"] = {"id": "c2", "text": "Something else."}
        assert call(server, "POST", "/v1/reports", body, key=page)["state"] == "already_reported"
        seen = call(server, "GET", f"/v1/cases/{case}", key=system)["comment"]
        assert (seen["text"], seen["from_reader"], seen["author"]) == ("Only on the page.", True, None)
        assert seen["story_title"] == "Council closes the road"
        call(server, "PUT", "/v1/sites/daily/comments/c2", {"text": "Only on the page."}, key=system)
        assert not call(server, "GET", f"/v1/cases/{case}", key=system)["comment"]["from_reader"]
        for method, path in (
            ("GET", f"/v1/cases/{case}"),
            ("GET", "/v1/queue"),
            ("GET", "/v1/sites/daily/comments/c1"),
            ("PUT", "/v1/sites/daily/comments/c1"),
            ("DELETE", "/v1/sites/daily/comments/c1"),
            ("POST", "/v1/queue/next"),
            ("POST", f"/v1/cases/{case}/claim"),
            ("POST", f"/v1/cases/{case}/release"),
        ):
            assert call(server, method, path, {}, 403, page)["code"] == "forbidden"
            assert call(server, method, path, {}, 401)["code"] == "missing_key"
        call(server, "POST", "/v1/reports", body, 401)
        preflight = requests.options(
            f"{server.url}/v1/reports",
            headers={
                "Origin": "https://news.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
            timeout=60,
        )
        assert preflight.headers["access-control-allow-origin"] == "*" and preflight.ok
        headers = {"Origin": "https://news.example", "X-API-Key": page}
        answer = requests.post(f"{server.url}/v1/reports", json=body, headers=headers, timeout=60)
        assert answer.headers["access-control-allow-origin"] == "*" and answer.ok
        queue = requests.get(f"{server.url}/v1/queue", headers=headers | {"X-API-Key": system}, timeout=60)
        assert "access-control-allow-origin" not in queue.headers
    with store.session() as session:
        assert world.row(session, "c1").revisions[0].text == "As it was written."
        assert session.scalars(select(Reporter)).one().account_created_at is None
        assert session.scalar(select(func.count()).select_from(Comment)) == 2
    store.close()
    assert page not in (tmp_path / "log").read_text()


def test_in_local_mode_no_page_of_another_host_reports(served: Service) -> None:
    answer = requests.post(
        f"{served.server.url}/v1/reports", json={}, headers={"Origin": "https://news.example"}, timeout=60
    )
    assert answer.status_code == 403
