from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from serving.moderation import sites
from serving.moderation.tables import Site
from serving.store import Store
from serving.writer import Writer
from tests.coroutines import finish


def made(session: Session, number: int) -> str:
    return sites.put(session, f"s{number}", "x", None, "command").id


def test_each_piece_of_work_is_done_or_not_by_itself(store: Store) -> None:
    async def run() -> list[object]:
        writer = Writer(store)
        writer.start()

        def do(session: Session, number: int) -> int:
            session.add(Site(id=f"s{number % 90}", name="x"))
            session.flush()
            if number % 10 == 3 and number < 90:
                raise ValueError(number)
            return number

        jobs = [writer.do(partial(do, number=number)) for number in range(100)]
        found = await asyncio.gather(*jobs, return_exceptions=True)
        writer.stop()
        return list(found)

    found = finish(run())
    done = [number for number, one in enumerate(found) if one == number]
    with store.session() as session:
        made = set(session.scalars(select(Site.id)))
    assert sorted(f"s{number % 90}" for number in done) == sorted(made)
    assert len(made) == 82  # the first ninety but those that end in 3, of which one is made by the ninety-third
    kinds = {type(one) for one in found}
    assert kinds == {int, ValueError, IntegrityError}


def test_what_is_answered_is_committed(store: Store) -> None:
    async def run() -> None:
        writer = Writer(store)
        writer.start()
        for number in range(5):
            await writer.do(partial(made, number=number))
            with store.session() as other:
                assert other.get(Site, f"s{number}")
        writer.stop()

    finish(run())


def test_work_that_waits_when_the_service_stops_is_still_done(store: Store) -> None:
    async def run() -> None:
        writer = Writer(store)
        writer.start()
        jobs = [asyncio.ensure_future(writer.do(partial(made, number=number))) for number in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.stop)
        assert len(await asyncio.gather(*jobs)) == 20

    finish(run())


def test_writers_of_one_process_take_turns(store: Store) -> None:
    if not store.one_writer:
        pytest.skip("writers go side by side")
    order: list[int] = []
    began, over = threading.Event(), threading.Event()

    def hold() -> None:
        with store.writing():
            began.set()
            over.wait(60)

    def write(number: int) -> None:
        with store.writing():
            order.append(number)

    with ThreadPoolExecutor(6) as pool:
        pool.submit(hold)
        began.wait()
        for number in range(5):
            pool.submit(write, number)
            while len(store._turns._waiting) < number + 2:  # until it stands in line
                time.sleep(0.001)
        over.set()
    assert order == [0, 1, 2, 3, 4]
