from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.moderation import queue, reports
from serving.moderation.problems import ModerationError
from serving.moderation.queue import CursorError, Filters
from serving.moderation.reports import Filing
from serving.moderation.tables import Case, Moderator
from serving.store import Store, now
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.world import World

ALL = Filters()


def report(world: World, comment: str, reason: str = "abusive", reader: str = "r1") -> str:
    filing = Filing.model_validate({"reporter": {"id": reader}, "reason": reason})
    with world.store.writing() as session:
        case = reports.file(session, world.site, comment, filing, now(), believed=True).case
    assert case
    return case


def pages(world: World, filters: Filters = ALL, limit: int = 3) -> list[list[str]]:
    found, cursor = [], None
    while True:
        with world.store.session() as session:
            page = queue.page(session, [world.site], filters, cursor, limit, now())
        found.append([case.id for case in page.cases])
        cursor = page.cursor
        if cursor is None:
            return found


def next_case(world: World, moderator: int, filters: Filters = ALL, **more: Any) -> str | None:
    with world.store.writing() as session:
        case = queue.next_case(session, [world.site], moderator, filters, more.pop("at", None) or now(), **more)
        return case.id if case else None


def claim(world: World, case: str, moderator: int, at: Any = None) -> bool:
    with world.store.writing() as session:
        return queue.claim(session, case, moderator, at or now())


@pytest.fixture
def world(store: Store) -> World:
    """Eight cases, c7's the likeliest, two of them equally likely."""
    world = World.made(store, reports_per_hour=100)
    for number in range(8):
        world.comment(f"c{number}", score=0.1 + 0.1 * max(number, 1), author=f"a{number}")
    for number in range(8):
        report(world, f"c{number}", reader=f"r{number}")
    return world


def in_order(world: World) -> list[str]:
    with world.store.session() as session:
        cases = sorted(session.query(Case), key=lambda case: (-case.log_odds, case.opened_at, case.id))
        return [case.id for case in cases]


def test_pages_hold_each_case_once_likeliest_first(world: World) -> None:
    assert list(chain(*pages(world))) == in_order(world)
    assert [len(page) for page in pages(world)] == [3, 3, 2]
    assert [len(page) for page in pages(world, limit=8)] == [8]


def test_a_page_goes_on_where_the_last_ended_whatever_moved(world: World) -> None:
    order = in_order(world)
    with world.store.session() as session:
        first = queue.page(session, [world.site], ALL, None, 3, now())
    assert [case.id for case in first.cases] == order[:3]
    with world.store.writing() as session:  # the last one seen is decided, one moves up, a new one comes on top
        session.get_one(Case, order[2]).closed_at = now()
        session.get_one(Case, order[6]).log_odds = 9.0
    world.comment("new", score=0.99)
    report(world, "new")
    with world.store.session() as session:
        rest = queue.page(session, [world.site], ALL, first.cursor, 100, now())
    assert [case.id for case in rest.cases] == order[3:6] + order[7:]


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_a_cursor_that_no_page_gave_is_refused(written: str) -> None:
    with pytest.raises(CursorError):
        queue.Cursor.read(written)


def test_filters(world: World) -> None:
    moderator = world.moderator()
    mine = next_case(world, moderator)
    spam = report(world, "c1", "spam")
    with world.store.writing() as session:
        session.get_one(Case, spam).escalated = True
        session.get_one(Case, spam).origin = "policy"

    def found(**filters: Any) -> set[str]:
        return set(chain(*pages(world, Filters(**filters))))

    every = set(in_order(world))
    assert found(reason="spam") == found(escalated=True) == found(origin="policy") == {spam}
    assert found(escalated=False) == every - {spam}
    assert (found(claimed=True), found(claimed=False)) == ({mine}, every - {mine})
    assert (found(section="politics"), found(section="sports")) == (every, set())
    assert len(found(attribute="report_worthy", at_least=0.55)) == 3
    assert found(attribute="report_worthy") == every and found(attribute="threat") == set()


def test_two_moderators_never_get_the_same_case(world: World) -> None:
    people = [world.moderator() for _ in range(6)]
    together = Barrier(6)

    def work(moderator: int) -> list[str]:
        together.wait()
        found = []
        while case := next_case(world, moderator):
            found.append(case)
        return found

    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(work, people))
    assert sorted(chain(*got)) == sorted(in_order(world))


def test_a_claim_is_one_moderators_until_it_ends_or_is_released(world: World) -> None:
    ann, bob = world.moderator(), world.moderator()
    case, start = in_order(world)[0], now()
    assert claim(world, case, ann, start)
    assert not claim(world, case, bob, start + timedelta(seconds=599))
    assert claim(world, case, ann, start + timedelta(seconds=500))  # lasts longer from here
    assert not claim(world, case, bob, start + timedelta(seconds=1099))
    assert claim(world, case, bob, start + timedelta(seconds=1101))
    with world.store.writing() as session:
        assert not queue.release(session, case, ann)
        assert queue.release(session, case, bob)
    assert claim(world, case, ann)
    with world.store.writing() as session:
        session.get_one(Case, case).closed_at = now()
    assert not claim(world, case, ann)


def test_the_next_case_is_the_likeliest_that_is_free_and_not_passed_over(world: World) -> None:
    ann, bob = world.moderator(), world.moderator()
    order = in_order(world)
    assert next_case(world, ann) == order[0]
    assert next_case(world, bob) == order[1]
    assert next_case(world, bob, skip=[order[2]]) == order[3]
    assert next_case(world, bob, at=now() + timedelta(hours=1)) == order[0]
    assert next_case(world, bob, Filters(reason="spam")) is None


def test_nobody_gets_a_case_that_is_not_theirs_to_decide(world: World) -> None:
    elsewhere, ann = world.moderator(only=("other",)), world.moderator()
    editor, first = world.moderator(role="editor"), in_order(world)[0]
    with world.store.writing() as session:
        session.get_one(Case, first).escalated = True
    assert next_case(world, elsewhere) is None
    assert next_case(world, ann) == in_order(world)[1]
    for moderator in (elsewhere, ann):
        with pytest.raises(ModerationError) as caught:
            claim(world, first, moderator)
        assert caught.value.kind == "refused"
    assert next_case(world, editor) == first


def test_the_queue_over_http(served: Service) -> None:
    world = served.world()
    name = f"ada-{world.site}"
    world.moderator(name)
    for number, score in ((1, 0.2), (2, 0.9), (3, 0.5)):
        world.comment(f"c{number}", score=score, text="<img src=x onerror=alert(1)>")
        served.call(
            "POST", "/v1/reports",
            {"site": world.site, "comment": f"c{number}", "reporter": {"id": f"r{number}"}, "reason": "spam"},
        )  # fmt: skip
    path = f"/v1/queue?site={world.site}"
    found = served.call("GET", f"{path}&limit=2")
    assert [case["comment"]["id"] for case in found["cases"]] == ["c2", "c3"]
    rest = served.call("GET", f"{path}&limit=2&cursor={found['cursor']}")
    assert [case["comment"]["id"] for case in rest["cases"]] == ["c1"] and rest["cursor"] is None
    first = found["cases"][0]
    assert first["comment"]["text"] == "<img src=x onerror=alert(1)>" and first["reasons"] == {"spam": 1}
    assert round(sum(line["log_odds"] for line in first["why"]), 2) == first["log_odds"]
    body = {"moderator": name, "site": [world.site]}
    case = served.call("POST", "/v1/queue/next", body)["case"]
    assert case["id"] == first["id"] and case["claim"]["moderator"] == name
    assert case["reports"][0]["precision"] == pytest.approx(1 / 3)
    assert served.call("GET", f"{path}&claimed=true")["cases"][0]["id"] == case["id"]
    world.moderator(f"bob-{world.site}")
    other = {"moderator": f"bob-{world.site}"}
    assert served.call("POST", f"/v1/cases/{case['id']}/claim", other, 409)["code"] == "claimed"
    assert served.call("POST", f"/v1/cases/{case['id']}/release", other, 409)["code"] == "not_claimed"
    assert served.call("POST", f"/v1/cases/{case['id']}/release", {"moderator": name})["claim"] is None
    assert served.call("POST", f"/v1/cases/{case['id']}/claim", other)["claim"]["moderator"] == other["moderator"]
    assert served.call("GET", "/v1/cases/0", status=404)["code"] == "unknown_case"
    assert served.call("POST", "/v1/queue/next", {"moderator": "nobody"}, 422)["code"] == "unknown_moderator"
    with world.store.writing() as session:
        session.query(Moderator).filter_by(name=name).one().disabled_at = now()
    assert served.call("POST", "/v1/queue/next", body, 422)["code"] == "unknown_moderator"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("reason=ugly", "reason"),
        ("attribute=beauty", "attribute"),
        ("at_least=2", "at_least"),
        ("claimed=perhaps", "claimed"),
        ("origin=heaven", "origin"),
    ],
)
def test_a_bad_query_names_its_field(served: Service, query: str, field: str) -> None:
    assert served.call("GET", f"/v1/queue?{query}", status=422)["field"] == field
