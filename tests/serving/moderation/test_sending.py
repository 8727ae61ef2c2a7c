"""Webhooks, from a decision over HTTP to a receiver that checks them as a publisher would."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from serving.moderation import sending
from serving.moderation.tables import Delivery, Hook
from serving.store import Store, now
from tests import databases
from tests.service import Server, running
from tests.serving.moderation.calls import call
from tests.serving.moderation.conftest import Service
from tests.serving.moderation.receiver import Receiver, genuine, receiving
from tests.serving.moderation.world import World


class Setting:
    """A running service, its database, and a receiver."""

    def __init__(self, server: Server, world: World, receiver: Receiver) -> None:
        self.server, self.world, self.receiver = server, world, receiver
        self.hooks = f"/v1/sites/{world.site}/hooks"

    def hook(self, url: str = "", *events: str) -> dict[str, str]:
        body = {"url": url or self.receiver.url + "/hook", "events": list(events)}
        made: dict[str, str] = call(self.server, "POST", self.hooks, body)
        return made

    def remove(self, case: str) -> dict[str, str]:
        body = {"verdict": "remove", "reason": "abusive"}
        made: dict[str, str] = call(self.server, "POST", f"/v1/cases/{case}/decision", body)
        return made

    def deliveries(self) -> list[Delivery]:
        with self.world.store.session() as session:
            rows = session.query(Delivery).join(Hook).filter(Hook.site_id == self.world.site)
            return rows.order_by(Delivery.sequence).all()

    def settled(self, seconds: float = 20) -> list[Delivery]:
        """Deliveries, once none is pending that is due or leased."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rows = self.deliveries()
            if all(row.delivered_at or row.dead_at for row in rows):
                return rows
            time.sleep(0.05)
        raise AssertionError([(row.event, row.problem) for row in rows])

    def problem(self, wanted: str, seconds: float = 60) -> Delivery:
        """The first delivery, once what stands in its way is on record."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            first = self.deliveries()[0]
            if first.problem == wanted:
                return first
            time.sleep(0.05)
        raise AssertionError(first.problem)

    def due(self, **values: object) -> None:
        """What waits is due now, as if the time had passed."""
        with self.world.store.writing() as session:
            hooks = session.query(Hook.id).filter_by(site_id=self.world.site)
            rows = update(Delivery).where(Delivery.hook_id.in_(hooks), Delivery.delivered_at.is_(None))
            session.execute(rows.values(next_at=now(), **values))


@pytest.fixture
def setting(served: Service) -> Iterator[Setting]:
    with receiving() as receiver:
        setting = Setting(served.server, served.world(), receiver)
        yield setting
        with served.store.writing() as session:  # nothing is left to send
            session.execute(update(Hook).values(disabled_at=now()))
            pending = update(Delivery).where(Delivery.delivered_at.is_(None))
            session.execute(pending.values(dead_at=now()))


def test_a_decision_is_told_at_once_signed_and_in_order(setting: Setting) -> None:
    hook, case = setting.hook(), setting.world.case("c")
    began = time.time()
    made = setting.remove(case)
    decided = time.time()
    call(setting.server, "POST", f"/v1/decisions/{made['id']}/undo")
    first, second = setting.receiver.wait(2)[:2]
    # A second; where a decision alone takes long, the machine is busy with other things.
    assert first.at - decided < max(3, 20 * (decided - began))
    for got in (first, second):
        assert genuine(hook["secret"], got.headers["x-evenhand-signature"], got.body)
        assert not genuine("whsec_of_another", got.headers["x-evenhand-signature"], got.body)
        assert not genuine(hook["secret"], got.headers["x-evenhand-signature"], got.body + b" ")
        assert got.headers["x-evenhand-event"] == got.json["event"]
        assert got.headers["x-evenhand-delivery"] == got.json["id"]
    assert setting.receiver.events() == ["comment.removed", "comment.restored"]
    assert first.json["sequence"] < second.json["sequence"]
    assert first.json["site"] == setting.world.site
    assert first.json["comment"] == {"id": "c", "state": "rejected", "featured": False, "revision": 1}
    assert first.json["decision"] | {"at": 0} == {
        "id": made["id"], "action": "remove", "actor": "key", "reason": "abusive", "at": 0,
    }  # fmt: skip
    assert all(row.attempts == 1 for row in setting.settled())


def test_a_failing_receiver_is_tried_again_and_later_events_of_the_comment_wait(setting: Setting) -> None:
    setting.hook()
    answers = iter([503, 204, 204, 204])
    setting.receiver.behave = lambda got: next(answers)
    made = setting.remove(setting.world.case("c"))
    setting.receiver.wait(1)
    first = setting.problem("status 503")
    with setting.world.store.writing() as session:  # however busy the machine is, it is not tried again by itself
        session.get_one(Delivery, first.sequence).next_at = now() + timedelta(hours=1)
    call(setting.server, "POST", f"/v1/decisions/{made['id']}/undo")
    setting.remove(setting.world.case("another"))  # written after it, and sent before it
    setting.receiver.wait(2)
    assert [got.json["comment"]["id"] for got in setting.receiver.got] == ["c", "another"]
    setting.due()
    setting.receiver.wait(4)
    told = [got.json for got in setting.receiver.got if got.json["comment"]["id"] == "c"]
    assert [one["event"] for one in told] == ["comment.removed", "comment.removed", "comment.restored"]
    assert told[0]["id"] == told[1]["id"]
    assert [row.attempts for row in setting.settled()] == [2, 1, 1]


def test_what_is_given_up_is_seen_and_replayed(setting: Setting) -> None:
    hook = setting.hook()
    path = f"{setting.hooks}/{hook['id']}"
    setting.receiver.behave = lambda got: 500
    setting.remove(setting.world.case("c"))
    setting.receiver.wait(1)
    setting.due(attempts=sending.ATTEMPTS - 1)
    setting.settled()
    found = call(setting.server, "GET", path + "/dead")["deliveries"]
    assert [(row["event"], row["problem"], row["attempts"]) for row in found] == [
        ("comment.removed", "status 500", sending.ATTEMPTS)
    ]
    for _ in range(3):  # and more of them, to be read page by page
        setting.remove(setting.world.case())
    setting.due(attempts=sending.ATTEMPTS, dead_at=now(), problem="status 500")
    pages, after = [], ""
    while after is not None:
        page = call(setting.server, "GET", f"{path}/dead?limit=3{after and '&cursor='}{after}")
        pages.append([row["sequence"] for row in page["deliveries"]])
        after = page["cursor"]
    assert [len(page) for page in pages] == [3, 1]
    every = pages[0] + pages[1]
    assert every == sorted(every, reverse=True) and len(set(every)) == 4
    assert call(setting.server, "GET", f"{path}/dead?cursor=x", status=422)["field"] == "cursor"
    shown = call(setting.server, "GET", setting.hooks)["hooks"]
    assert [(row["waiting"], row["dead"], row["problem"]) for row in shown] == [(0, 4, "status 500")]
    assert "secret" not in shown[0]
    setting.receiver.behave = lambda got: 204
    assert call(setting.server, "POST", path + "/replay") == {"replayed": 4}
    assert [row.problem for row in setting.settled()] == [None] * 4
    metrics = call(setting.server, "GET", "/metrics")
    for outcome in ("delivered", "failed", "dead"):
        assert f'evenhand_webhooks_total{{outcome="{outcome}"}} ' in metrics


def test_redirects_are_not_followed(setting: Setting) -> None:
    setting.hook()
    setting.receiver.behave = lambda got: 307
    setting.remove(setting.world.case())
    setting.problem("status 307")
    assert {got.path for got in setting.receiver.got} == {"/hook"}


def test_a_hook_that_hangs_or_is_not_there_holds_up_no_other(setting: Setting) -> None:
    release = threading.Event()
    with receiving() as slow:

        def hang(got: object) -> int:
            release.wait(30)
            return 204

        slow.behave = hang
        setting.hook(slow.url)
        setting.hook("http://127.0.0.1:1/")
        setting.hook()
        for _ in range(3):
            setting.remove(setting.world.case())
        setting.receiver.wait(3)
        # All three came while the first of those that hang was still waited for.
        assert all(row.problem != "no answer in 10 seconds" for row in setting.deliveries())
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(
            row.problem == "no answer in 10 seconds" for row in setting.deliveries()
        ):
            time.sleep(0.2)
        release.set()
        problems = {row.problem for row in setting.deliveries()}
        assert problems == {None, "no answer in 10 seconds", "ConnectError"}


def test_a_removed_hook_is_told_nothing_more(setting: Setting) -> None:
    hook = setting.hook()
    setting.receiver.behave = lambda got: 500
    setting.remove(setting.world.case())
    setting.problem("status 500")
    call(setting.server, "DELETE", f"{setting.hooks}/{hook['id']}")
    setting.remove(setting.world.case())
    time.sleep(0.7)
    assert len(setting.receiver.got) == 1
    assert all(row.dead_at for row in setting.deliveries())
    call(setting.server, "GET", f"{setting.hooks}/{hook['id']}/dead", status=404)
    assert call(setting.server, "GET", setting.hooks) == {"hooks": []}


def test_what_was_committed_is_delivered_though_the_server_was_killed(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    store = Store(url)
    store.open()
    world = World.made(store)
    with receiving() as receiver:
        gate = threading.Event()

        def hold(got: object) -> int:
            gate.wait(30)
            return 204

        receiver.behave = hold
        with running(tmp_path / "log", database_url=url) as server:
            setting = Setting(server, world, receiver)
            setting.hook()
            for _ in range(20):
                setting.remove(world.case())
            receiver.wait(1)
            os.kill(server.pid, signal.SIGKILL)  # with deliveries under way, and others not begun
            os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        gate.set()
        receiver.behave = lambda got: 204
        assert all(row.delivered_at is None for row in setting.deliveries())
        with running(tmp_path / "again", database_url=url) as server:
            rows = Setting(server, world, receiver).settled(60)
        assert len(rows) == 20
        delivered = {got.json["id"] for got in receiver.got}
        assert delivered == {row.id for row in rows}
    store.close()


def test_two_replicas_share_the_work(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    store = Store(url)
    store.open()
    world = World.made(store)
    with (
        receiving() as receiver,
        running(tmp_path / "one", database_url=url) as one,
        running(tmp_path / "two", database_url=url) as two,
    ):
        setting = Setting(one, world, receiver)
        setting.hook()
        cases = [world.case() for _ in range(30)]
        for number, case in enumerate(cases):
            Setting((one, two)[number % 2], world, receiver).remove(case)
        setting.settled(30)
        ids = [got.json["id"] for got in receiver.got]
        assert len(ids) == len(set(ids)) == 30
    store.close()


@pytest.mark.parametrize(
    "url",
    ["ftp://news.example/", "news.example", "http:///hook", "https://me:secret@news.example/", "https://x/#y",
     "https://x y/", "https://[::1", "https://news.example:99999/", "javascript:alert(1)", "https://x/" + "y" * 2000],
)  # fmt: skip
def test_addresses_that_nothing_is_sent_to(setting: Setting, url: str) -> None:
    error = call(setting.server, "POST", setting.hooks, {"url": url}, 422)
    assert error["field"] == "url"
    body = {"url": setting.receiver.url, "events": ["comment.eaten"]}
    assert call(setting.server, "POST", setting.hooks, body, 422)["field"] == "events"


def test_delays_add_up_to_about_a_day() -> None:
    total = sum(sending.delay(attempt) for attempt in range(1, sending.ATTEMPTS))
    assert 20 * 3600 < total < 28 * 3600
    assert sending.delay(1) == 5
