"""`/v1/moderations` with OpenAI's own client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from serving.dialects.openai import CATEGORIES
from tests.service import Server
from tests.serving.dialects.calls import KIND, RUDE, assert_failure, post
from tests.serving.dialects.conftest import Keys


@pytest.fixture
def client(keys: Keys, secret: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{keys.server.url}/v1", api_key=secret, _strict_response_validation=True) as client:
        yield client


def test_a_text(client: openai.OpenAI) -> None:
    answer = client.moderations.create(input=RUDE, model="omni-moderation-latest")
    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert answer._request_id
    assert result.category_scores.harassment > 0.5
    assert result.categories.harassment and result.flagged
    assert not result.categories.sexual_minors
    assert result.category_applied_input_types.harassment == ["text"]
    scores = result.category_scores.model_dump(by_alias=True)
    assert set(CATEGORIES) < set(scores)
    assert 0 < scores["report_worthy"] < 1, "our own scores come along"
    assert set((result.model_extra or {})["not_assessed"]) == {
        category for category in CATEGORIES if scores[category] == 0
    }


def test_several_texts_and_parts_of_one(client: openai.OpenAI) -> None:
    several = client.moderations.create(input=[KIND, RUDE, "", " \u200b"]).results
    assert [result.flagged for result in several] == [False, True, False, False]
    assert several[1].category_scores == client.moderations.create(input=RUDE).results[0].category_scores
    assert (several[2].model_extra or {})["not_assessed"] == list(CATEGORIES)
    said: list[Any] = [{"type": "text", "text": text} for text in (KIND, RUDE)]
    (parts,) = client.moderations.create(input=said).results
    (joined,) = client.moderations.create(input=f"{KIND}\n{RUDE}").results
    assert parts.category_scores == joined.category_scores


@pytest.mark.parametrize(
    ("sent", "param", "code"),
    [
        ([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://x"}}], "input.1.type",
         "invalid_request"),
        (["x", 7], "input.1", "invalid_request"),
        ([], "input", "invalid_request"),
        (7, "input", "invalid_request"),
        (["x"] * 1001, "input", "invalid_request"),
        ({"type": "text", "text": "x"}, "input", "invalid_request"),
        ("x" * 20_481, "input", "text_too_long"),
        ([{"type": "text", "text": "x" * 16_000}] * 2, "input", "text_too_long"),
        (["x", "x" * 20_481], "input.1", "text_too_long"),
    ],
)  # fmt: skip
def test_errors_are_read_by_the_client(client: openai.OpenAI, sent: Any, param: str, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.moderations.create(input=sent)
    error = raised.value
    assert (error.param, error.code, error.type) == (param, code, "invalid_request_error")
    assert error.request_id


def test_a_bad_key(keys: Keys) -> None:
    with openai.OpenAI(base_url=f"{keys.server.url}/v1", api_key="sk-bad") as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            client.moderations.create(input=RUDE)
        assert raised.value.code == "invalid_api_key"


def test_the_client_waits_as_long_as_it_is_told(keys: Keys) -> None:
    _, slow = keys.create("openai's retries", "--per-minute", "1")
    with openai.OpenAI(base_url=f"{keys.server.url}/v1", api_key=slow, max_retries=0) as client:
        client.moderations.create(input=RUDE)
        with pytest.raises(openai.RateLimitError) as raised:
            client.moderations.create(input=RUDE)
    headers = raised.value.response.headers
    assert raised.value.code == "rate_limit_exceeded"
    assert int(headers["retry-after-ms"]) == 1000 * int(headers["retry-after"])


def test_the_client_retries_a_full_queue_by_itself(narrow: Server) -> None:
    # A queue with room for one: the retry comes after Retry-After, when it is empty again.
    from concurrent.futures import ThreadPoolExecutor

    began = time.monotonic()
    with (
        openai.OpenAI(base_url=f"{narrow.url}/v1", api_key="any", max_retries=8) as client,
        ThreadPoolExecutor(6) as pool,
    ):
        texts = [f"Retry {number}, " + "please, if you would. " * 100 for number in range(6)]
        answers = list(pool.map(lambda text: client.moderations.create(input=text), texts))
    assert len(answers) == 6
    assert time.monotonic() - began < 60


def test_without_a_body(server: Server) -> None:
    for body in (b"", {}, {"input": None}):
        assert_failure(post(server, "/v1/moderations", body), "openai")
