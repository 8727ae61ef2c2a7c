"""What the service has answered is there, even if it is killed the moment after."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from sqlalchemy import select

from serving.moderation import audit
from serving.moderation.tables import Case, Comment, Report, Reporter
from serving.store import Store
from tests import databases
from tests.service import Server, running
from tests.serving.moderation.calls import call
from tests.serving.moderation.world import World

READERS, COMMENTS = 6, 20


def reporting(server: Server, reader: int) -> list[tuple[str, str]]:
    """(comment, reader) of the reports that were answered before the service died."""
    answered = []
    with requests.Session() as http:
        for number in range(10**6):
            comment, name = f"c{number % COMMENTS}", f"r{reader}-{number}"
            body = {"site": "daily", "comment": comment, "reporter": {"id": name}, "reason": "abusive"}
            try:
                answer = http.post(f"{server.url}/v1/reports", json=body, timeout=30)
            except requests.RequestException:
                break
            assert answer.json()["state"] == "received", answer.text
            answered.append((comment, name))
    return answered


def commenting(server: Server) -> list[str]:
    """Ids of the comments that were answered; each is held, so that the audit log grows."""
    answered = []
    with requests.Session() as http:
        for number in range(10**6):
            body = {"text": f"shut the fuck up you stupid cunt {number}"}
            try:
                answer = http.put(f"{server.url}/v1/sites/daily/comments/n{number}", json=body, timeout=30)
            except requests.RequestException:
                break
            assert answer.status_code == 200, answer.text
            answered.append(f"n{number}")
    return answered


def test_nothing_that_was_answered_is_lost_when_the_service_is_killed(tmp_path: Path) -> None:
    url = databases.fresh(tmp_path)
    store = Store(url)
    store.open()
    world = World.made(store)
    for number in range(COMMENTS):
        world.comment(f"c{number}")
    with running(tmp_path / "log", database_url=url) as server, ThreadPoolExecutor(READERS + 1) as pool:
        reports = [pool.submit(reporting, server, reader) for reader in range(READERS)]
        comments = pool.submit(commenting, server)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with store.session() as session:
                if len(session.scalars(select(Report.id)).all()) > 150:
                    break
            time.sleep(0.05)
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)  # its connections are closed before it has ended
        answered = [pair for future in reports for pair in future.result()]
        sent = comments.result()
    assert len(answered) > 100 and sent
    with running(tmp_path / "log2", database_url=url) as server:
        with store.session() as session:
            pairs = select(Comment.external_id, Reporter.external_id).join_from(Report, Comment).join(Reporter)
            kept = [tuple(row) for row in session.execute(pairs)]
            assert set(answered) <= set(kept) and len(kept) == len(set(kept))
            assert set(sent) <= set(session.scalars(select(Comment.external_id)))
            assert len(session.scalars(select(Case.id).where(Case.origin == "report")).all()) == COMMENTS
            assert list(audit.verify(session)) == []
            assert audit.head(session)[0] >= len(sent)
        comment, reader = answered[-1]
        body = {"site": "daily", "comment": comment, "reporter": {"id": reader}, "reason": "abusive"}
        assert call(server, "POST", "/v1/reports", body)["state"] == "already_reported"
    store.close()
