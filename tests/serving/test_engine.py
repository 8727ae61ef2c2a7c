from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from cachetools import LRUCache

from serving import artifact, engine
from serving.artifact import ArtifactError
from serving.cpu import NICENESS, allowed
from serving.engine import BusyError, DeadlineError, Engine, InferenceError, Limits, NotReadyError, Scored
from serving.engine.batcher import IN_SIGHT
from serving.metrics import Metrics
from serving.scorer import Scorer, Scores, ScoringError
from tests.coroutines import finish
from tests.serving.test_scorer import BATCH_MEAN, BATCH_MOST, RUDE, THOUGHTFUL, examples

SOON = 30.0  # seconds after which a test gives up


def numbered(count: int) -> list[str]:
    return [f"Comment {number}: the bus was late again, and nobody told us." for number in range(count)]


def within_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The coroutine as a test that ends."""

    async def bounded(*arguments: Any) -> None:
        async with asyncio.timeout(SOON):
            await test(*arguments)

    return lambda *arguments: finish(bounded(*arguments))


@asynccontextmanager
async def started(path: Path | None = None, workers: int = 1, **limits: Any) -> AsyncIterator[tuple[Engine, Metrics]]:
    metrics = Metrics()
    found = Engine(path, metrics, Limits(**limits), workers=workers)
    await found.start()
    try:
        yield found, metrics
    finally:
        await found.stop()


def count(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"evenhand_{name}") or 0.0


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def table(rows: Sequence[Scores]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([tuple(row.values()) for row in rows])


class Gate:
    """Holds the real scorer before an inference while it is shut, and remembers every batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[str]] = []
        self.way = threading.Event()
        self.way.set()
        real = Scorer.score_clean

        def score(scorer: Scorer, texts: Sequence[str], *encoded: Any) -> list[Scores]:
            self.batches.append(list(texts))
            assert self.way.wait(SOON)
            return real(scorer, texts, *encoded)

        monkeypatch.setattr(Scorer, "score_clean", score)

    async def hold(self, started: Engine, text: str = "The first one.") -> asyncio.Task[Scored]:
        """Shuts, and sends a text that is then held in inference."""
        before = len(self.batches)
        self.way.clear()
        held = asyncio.create_task(started.score([text]))
        await until(lambda: len(self.batches) > before)
        return held


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], None]]:
    """Breaks the runtime when called; what it returns mends it."""

    def break_(kind: type[BaseException] = RuntimeError) -> Callable[[], None]:
        def fail(*arguments: Any, **named: Any) -> Any:
            raise kind(f"the runtime quotes its input: {arguments}")

        context = pytest.MonkeyPatch()
        context.setattr(onnxruntime.InferenceSession, "run", fail)
        return context.undo

    return break_


def copied(tmp_path: Path, version: str) -> Path:
    """The artifact that ships, in a directory of its own, under another version."""
    folder = tmp_path / "model"
    if not folder.exists():
        shutil.copytree(artifact.DEFAULT, folder)
    manifest = json.loads((folder / artifact.MANIFEST).read_text(encoding="utf-8"))
    (folder / artifact.MANIFEST).write_text(json.dumps(manifest | {"version": version}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_concurrent_texts_share_inferences_and_keep_their_scores(scorer: Scorer, workers: int) -> None:
    @within_time
    async def run() -> None:
        texts = examples()
        async with started(workers=workers) as (asked, metrics):
            answers = await asyncio.gather(*(asked.score([text]) for text in texts))
            assert count(metrics, "batch_size_sum") == len(texts)
            assert count(metrics, "batch_size_count") <= len(texts) / 4
            assert count(metrics, "queue_seconds_count") == len(texts)
        rows = [row for answer in answers for row in answer.scores]
        gap = np.abs(table(rows) - table([scorer.score([text])[0] for text in texts]))
        assert gap.mean() < BATCH_MEAN
        assert gap.max() < BATCH_MOST
        assert {answer.model.version for answer in answers} == {scorer.manifest.version}

    run()


def test_texts_of_like_length_share_a_batch_and_the_first_is_in_it(gate: Gate) -> None:
    @within_time
    async def run() -> None:
        async with started(cache=0) as (asked, _):
            held = await gate.hold(asked)
            long, short = ("The bus was late again. " * 10).strip(), "Late again."
            texts = [f"{long} {n}" if n % 2 else f"{short} {n}" for n in range(10)]
            waiting = [asyncio.create_task(asked.score([text])) for text in texts]
            await asyncio.sleep(0)
            gate.way.set()
            await asyncio.gather(held, *waiting)
            first, *others = gate.batches[2:]
            assert first == [text for text in texts if text.startswith(short)]
            assert all(len(text) > len(long) for batch in others for text in batch)
            assert [batch[0] for batch in others] == [texts[1], *(batch[0] for batch in others[1:])]

    run()


def test_many_texts_come_back_in_order() -> None:
    @within_time
    async def run() -> None:
        texts = [RUDE if number % 3 else THOUGHTFUL for number in range(3 * engine.SHARE_TEXTS)]
        async with started(cache=0) as (asked, _):
            answer = await asked.score(texts)
            assert [row["incivility"] > 0.5 for row in answer.scores] == [text == RUDE for text in texts]
            assert (await asked.score([])).scores == []

    run()


def test_a_known_text_costs_no_inference_and_is_not_kept() -> None:
    @within_time
    async def run() -> None:
        secret = "Zanzibar-marmalade-7751, you clown."
        async with started(cache=7751) as (asked, metrics):
            first = await asked.score([secret])
            again = await asked.score([secret, f"  {secret}\u200b"])  # the same in normal form
            assert again.scores == [*first.scores, *first.scores]
            assert count(metrics, "batch_size_count") == 1
            assert (count(metrics, "cache_hits_total"), count(metrics, "cache_misses_total")) == (2, 1)
            (cache,) = [found for found in gc.get_objects() if type(found) is LRUCache and found.maxsize == 7751]
            assert [len(key) for key in cache] == [16]
            assert "Zanzibar" not in repr(list(cache.items()))

    run()


def test_the_cache_is_bounded_and_can_be_off() -> None:
    @within_time
    async def run() -> None:
        for size, inferences in ((1, 3), (0, 4)):
            async with started(cache=size) as (asked, metrics):
                for text in ("One.", "Two.", "Two.", "One."):
                    await asked.score([text])
                assert count(metrics, "batch_size_sum") == inferences

    run()


def test_a_full_queue_refuses_and_says_when_to_come_back(gate: Gate) -> None:
    @within_time
    async def run() -> None:
        async with started(queue=3) as (asked, metrics):
            held = await gate.hold(asked)
            waiting = [asyncio.create_task(asked.score([text])) for text in numbered(3)]
            await until(lambda: count(metrics, "queue_depth") == 3)
            with pytest.raises(BusyError) as refused:
                await asked.score(["One too many."])
            assert refused.value.retry_after >= 1
            gate.way.set()
            assert all(len(answer.scores) == 1 for answer in await asyncio.gather(held, *waiting))
            assert (await asked.score(["One too many."])).scores
            assert count(metrics, "queue_depth") == 0

    run()


def test_a_late_answer_is_an_error_and_what_waited_is_not_scored(gate: Gate) -> None:
    @within_time
    async def run() -> None:
        async with started(deadline=0.05) as (asked, metrics):
            held = await gate.hold(asked)
            with pytest.raises(DeadlineError):
                await asked.score(["Too late."])
            with pytest.raises(DeadlineError):
                await held
            assert count(metrics, "deadlines_exceeded_total") == 2
            gate.way.set()
            await until(lambda: count(metrics, "dropped_texts_total") == 1)
            assert ["Too late."] not in gate.batches
            assert asked.ready

    run()


def test_what_nobody_waits_for_is_not_scored(gate: Gate) -> None:
    @within_time
    async def run() -> None:
        async with started() as (asked, metrics):
            held = await gate.hold(asked)
            leaving = [asyncio.create_task(asked.score([text])) for text in numbered(5)]
            staying = asyncio.create_task(asked.score(["I stay."]))
            await until(lambda: count(metrics, "queue_depth") == 6)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            gate.way.set()
            assert (await held).scores and (await staying).scores
            assert gate.batches[-1] == ["I stay."]
            assert count(metrics, "dropped_texts_total") == 5

    run()


class Panic(BaseException):
    """As libraries in Rust panic."""


@pytest.mark.parametrize("kind", [RuntimeError, Panic])
def test_a_failed_inference_is_told_counted_and_got_over(
    kind: type[BaseException], broken: Callable[..., Callable[[], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    @within_time
    async def run() -> None:
        async with started(cache=0) as (asked, metrics):
            mend = broken(kind)
            try:
                with pytest.raises(InferenceError) as failure:
                    await asked.score(["Zanzibar-marmalade-7752"])
                assert not asked.ready
                with pytest.raises(InferenceError):
                    await asked.probe()
                assert not asked.ready
            finally:
                mend()
            assert count(metrics, "inference_failures_total") == 2
            await asked.probe()
            assert asked.ready
            assert (await asked.score([RUDE])).scores
            assert "Zanzibar" not in str(failure.value)

    run()
    printed = capsys.readouterr()
    assert kind.__name__ in printed.out + printed.err
    assert "quotes" not in printed.out + printed.err


def scoring_threads() -> set[int]:
    """The numbers that the system has for them."""
    return {thread.native_id or 0 for thread in threading.enumerate() if thread.name.startswith("scoring")}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has threads that stay on a core")
def test_each_scoring_thread_gives_way_and_keeps_to_a_core_of_its_own() -> None:
    @within_time
    async def run() -> None:
        earlier = scoring_threads()  # of engines that are stopping
        async with started(workers=len(allowed())) as (asked, _):
            while len(ours := scoring_threads() - earlier) < len(allowed()):
                await asked.score(numbered(16))
            kept = [os.sched_getaffinity(number) for number in ours]
            assert sorted(core for cores in kept for core in cores) == allowed()
            nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
            assert {os.getpriority(os.PRIO_PROCESS, number) for number in ours} == {nice}
            assert os.sched_getaffinity(threading.get_native_id()) == set(allowed())

    run()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has threads that stay on a core")
def test_other_numbers_of_scoring_threads_keep_to_no_core() -> None:
    @within_time
    async def run() -> None:
        earlier = scoring_threads()
        async with started(workers=len(allowed()) + 1) as (asked, _):
            await asked.score(numbered(16))
            ours = scoring_threads() - earlier
            assert ours
            assert all(os.sched_getaffinity(number) == set(allowed()) for number in ours)

    run()


def test_before_it_has_started_it_has_no_scores() -> None:
    @within_time
    async def run() -> None:
        asked = Engine(None, Metrics(), Limits())
        assert not asked.ready
        with pytest.raises(NotReadyError):
            await asked.score([RUDE])
        with pytest.raises(NotReadyError):
            _ = asked.manifest

    run()


def test_a_text_without_a_visible_character_is_named() -> None:
    @within_time
    async def run() -> None:
        async with started() as (asked, _):
            with pytest.raises(ScoringError, match="text 1"):
                await asked.score(["Fine.", "\u200b"])

    run()


def test_a_new_model_takes_over_without_losing_a_request(tmp_path: Path) -> None:
    @within_time
    async def run() -> None:
        folder = copied(tmp_path, "old")
        async with started(folder, queue=1000) as (asked, metrics):
            answers: list[Scored] = []
            over = False

            async def client(number: int) -> None:
                while not over:
                    answers.append(await asked.score([f"{THOUGHTFUL} {number} {len(answers)}"]))

            clients = [asyncio.create_task(client(number)) for number in range(8)]
            await until(lambda: len(answers) > 8)
            copied(tmp_path, "new")
            assert (await asked.reload()).version == "new"
            now = len(answers)
            await until(lambda: len(answers) > now + 16)
            over = True
            await asyncio.gather(*clients)
            versions = [answer.model.version for answer in answers]
            assert set(versions) == {"old", "new"}
            assert versions[-1] == asked.manifest.version == "new"
            model = {"name": asked.manifest.name, "version": "new"}
            assert metrics.registry.get_sample_value("evenhand_model", model) == 1
            assert metrics.registry.get_sample_value("evenhand_model", model | {"version": "old"}) is None

    run()


def test_a_new_model_starts_with_an_empty_cache(tmp_path: Path) -> None:
    @within_time
    async def run() -> None:
        async with started(copied(tmp_path, "old")) as (asked, metrics):
            await asked.score([RUDE])
            await asked.reload()
            await asked.score([RUDE])
            assert count(metrics, "cache_hits_total") == 0

    run()


def test_one_answer_comes_from_one_model(gate: Gate, tmp_path: Path) -> None:
    @within_time
    async def run() -> None:
        folder = copied(tmp_path, "old")
        async with started(folder, cache=0) as (asked, _):
            gate.way.clear()
            texts = numbered(engine.SHARE_TEXTS + 10)
            asking = asyncio.create_task(asked.score(texts))
            await until(lambda: len(gate.batches) == 2)  # the first is the warm-up
            copied(tmp_path, "new")
            reloading = asyncio.create_task(asked.reload())
            await until(lambda: len(gate.batches) == 3)  # the new model's warm-up
            gate.way.set()
            await reloading
            answer = await asking
            assert len(answer.scores) == len(texts)
            scored = sum(len(batch) for batch in gate.batches) - 2
            assert scored == len(texts) if answer.model.version == "old" else scored > len(texts)

    run()


def test_a_bad_model_is_refused_and_the_old_one_answers_on(
    tmp_path: Path, broken: Callable[[], Callable[[], None]]
) -> None:
    @within_time
    async def run() -> None:
        folder = copied(tmp_path, "old")
        async with started(folder) as (asked, _):
            copied(tmp_path, "cannot run")
            mend = broken()
            try:
                with pytest.raises(ArtifactError, match="RuntimeError"):
                    await asked.reload()
            finally:
                mend()
            (folder / artifact.MODEL).write_bytes(b"no model")
            with pytest.raises(ArtifactError, match="hash"):
                await asked.reload()
            assert asked.ready
            assert (await asked.score([RUDE])).model.version == "old"

    run()


def test_a_reload_mends_a_start_that_failed(broken: Callable[[], Callable[[], None]]) -> None:
    @within_time
    async def run() -> None:
        asked = Engine(None, Metrics(), Limits(), workers=1)
        mend = broken()
        try:
            with pytest.raises(ArtifactError, match="RuntimeError"):
                await asked.start()
        finally:
            mend()
        assert not asked.ready
        await asked.reload()
        assert (await asked.score([RUDE])).scores
        await asked.stop()

    run()


def test_a_bulk_request_lets_single_ones_pass(gate: Gate) -> None:
    @within_time
    async def run() -> None:
        async with started(cache=0) as (asked, metrics):
            gate.way.clear()
            bulk = [asyncio.create_task(asked.score(numbered(4 * engine.SHARE_TEXTS))) for _ in range(2)]
            await until(lambda: len(gate.batches) == 2)
            with pytest.raises(BusyError):
                await asked.score(numbered(engine.SHARE_TEXTS + 1))
            single = asyncio.create_task(asked.score(["I am short."]))
            before = 2 * engine.SHARE_TEXTS - len(gate.batches[1])
            await until(lambda: count(metrics, "queue_depth") == before + 1)
            gate.way.set()
            assert (await single).scores
            assert not any(task.done() for task in bulk)
            place = next(number for number, batch in enumerate(gate.batches) if "I am short." in batch)
            # After what was in inference, what waited before it, and a few that are as long as those.
            assert sum(map(len, gate.batches[2:place])) <= before + IN_SIGHT
            for answer in await asyncio.gather(*bulk):
                assert len(answer.scores) == 4 * engine.SHARE_TEXTS

    run()


def test_stopping_refuses_what_waits(gate: Gate) -> None:
    @within_time
    async def run() -> None:
        async with started() as (asked, _):
            held = await gate.hold(asked)
            waiting = [asyncio.create_task(asked.score([text])) for text in numbered(3)]
            await asyncio.sleep(0)
            await asked.stop()
            gate.way.set()
            for result in await asyncio.gather(held, *waiting, return_exceptions=True):
                assert isinstance(result, NotReadyError)
            with pytest.raises(NotReadyError):
                await asked.score(["Too late."])

    run()
