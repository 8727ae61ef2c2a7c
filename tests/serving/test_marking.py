"""Words that are marked for those who call: `spans` of POST /v1/score."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from serving.engine import BusyError, DeadlineError, Engine, InferenceError, Limits, NotReadyError
from serving.marking import MOST, Marker
from serving.metrics import Metrics
from serving.scorer import Scorer
from serving.spans import NoSpansError
from tests.coroutines import finish
from tests.service import Server

RUDE = "🤡 what a mo\u200bron he is."


def ask(server: Server, texts: Sequence[Any], **more: Any) -> httpx.Response:
    comments = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    return httpx.post(f"{server.url}/v1/score", json={"comments": comments} | more, timeout=60)


def units(text: str, begin: int, end: int) -> str:
    """A part of a text as JavaScript cuts it."""
    return text.encode("utf-16-le")[2 * begin : 2 * end].decode("utf-16-le")


def test_marked_words_come_in_utf16_with_their_attribute(server: Server, scorer: Scorer) -> None:
    answer = ask(server, [RUDE, "", "Thank you.", "moron, idiot and clown"], spans=True)
    assert answer.status_code == 200, answer.text
    rude, empty, kind, many = answer.json()["results"]
    (span,) = rude["spans"]
    assert set(span) == {"attribute", "begin", "end", "score"}
    assert span["attribute"] == "toxicity"
    assert units(RUDE, span["begin"], span["end"]) == "mo\u200bron"
    ((expected,),) = scorer.spans([RUDE])
    assert (span["begin"], span["end"]) == (expected.start + 1, expected.end + 1)
    assert span["score"] == pytest.approx(expected.score, abs=0.01)
    assert "spans" not in empty
    assert empty["error"]["code"] == "empty_text"
    assert kind["spans"] == []
    text = "moron, idiot and clown"
    assert [text[span["begin"] : span["end"]] for span in many["spans"]] == ["moron, idiot", "clown"]


def test_nothing_is_marked_unless_asked_for(server: Server) -> None:
    for more in ({}, {"spans": False}):
        (result,) = ask(server, [RUDE], **more).json()["results"]
        assert set(result) == {"id", "scores"}


def test_a_wrong_or_impossible_wish_names_the_field(server: Server, markless_server: Server) -> None:
    for wrong in ("yes", 1, None):
        error = ask(server, [RUDE], spans=wrong).json()["error"]
        assert (error["code"], error["field"]) == ("invalid_request", "spans")
    answer = ask(markless_server, [RUDE], spans=True)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "no_spans"
    assert answer.json()["error"]["field"] == "spans"
    assert ask(markless_server, [RUDE], spans=False).status_code == 200


def test_perspective_has_sentences_as_ever(server: Server, markless_server: Server) -> None:
    body = {
        "comment": {"text": f"{RUDE} Thank you."},
        "requestedAttributes": {"TOXICITY": {}, "INSULT": {}},
        "languages": ["en"],
        "spanAnnotations": True,
    }
    answers = [
        httpx.post(f"{each.url}/v1alpha1/comments:analyze", json=body, timeout=60).json()
        for each in (server, markless_server)
    ]
    places = [
        [(span["begin"], span["end"]) for name in ("TOXICITY", "INSULT") for span in scores[name]["spanScores"]]
        for scores in (answer["attributeScores"] for answer in answers)
    ]
    assert places[0] == places[1] == [(0, 23), (24, 34)] * 2


def run(work: Any, model: Path | None = None) -> Any:
    """The result of `work` with a started engine and its marker."""

    async def main() -> Any:
        metrics = Metrics()
        engine = Engine(model, metrics, Limits())
        await engine.start()
        marker = Marker(engine, metrics, 60.0)
        try:
            return await work(engine, marker)
        finally:
            marker.stop()
            await engine.stop()

    return finish(main())


def test_requests_take_turns_in_one_thread_and_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Engine, marker: Marker) -> list[Any]:
        at_once, most = 0, 0
        lock = threading.Lock()
        plain = engine.scorer.spans

        def watched(texts: Sequence[str]) -> Any:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            assert len(texts) <= 32
            try:
                return plain(texts)
            finally:
                with lock:
                    at_once -= 1

        monkeypatch.setattr(engine.scorer, "spans", watched)
        texts = ["You are a moron.", "Thank you."] * 20
        asked = [marker.spans(engine.manifest, texts) for _ in range(MOST + 2)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert most == 1
        again = await marker.spans(engine.manifest, ["moron"])
        assert len(again[0]) == 1
        return found

    found = run(work)
    refused = [answer for answer in found if isinstance(answer, BusyError)]
    answered = [answer for answer in found if isinstance(answer, list)]
    assert (len(refused), len(answered)) == (2, MOST)
    assert all([len(spans) for spans in answer] == [1, 0] * 20 for answer in answered)


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Engine, marker: Marker) -> None:
        held = threading.Event()
        monkeypatch.setattr(engine.scorer, "spans", lambda texts: held.wait(30) and [[]] * len(texts))
        marker._deadline = 0.05
        first, second = await asyncio.gather(
            *(marker.spans(engine.manifest, ["moron"]) for _ in range(2)), return_exceptions=True
        )
        held.set()
        assert isinstance(first, DeadlineError)
        assert isinstance(second, DeadlineError)

    run(work)


def test_failures_are_told_without_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(engine: Engine, marker: Marker) -> None:
        def fail(texts: Sequence[str]) -> Any:
            raise RuntimeError(texts[0])

        with pytest.raises(NotReadyError, match="has just been changed"):
            await marker.spans(engine.manifest.model_copy(), ["moron"])
        monkeypatch.setattr(engine.scorer, "spans", fail)
        with pytest.raises(InferenceError) as caught:
            await marker.spans(engine.manifest, ["moron"])
        assert "moron" not in str(caught.value)

    run(work)


def test_a_model_that_cannot_mark_words_says_so(markless: Path) -> None:
    async def work(engine: Engine, marker: Marker) -> None:
        with pytest.raises(NoSpansError):
            await marker.spans(engine.manifest, ["moron"])

    run(work, markless)
