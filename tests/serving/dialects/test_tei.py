"""`/predict` as Discourse and the clients of text-embeddings-inference ask."""

from __future__ import annotations

import math
from typing import Any

import pytest
import requests

from serving.scorer import Scorer
from tests.service import Server
from tests.serving.dialects.calls import KIND, RUDE, assert_failure, post
from tests.serving.dialects.conftest import Keys


def predicted(server: Server, inputs: Any, **more: Any) -> Any:
    response = post(server, "/predict", {"inputs": inputs} | more)
    assert response.status_code == 200, response.text
    return response.json()


def test_as_discourse_asks(keys: Keys, secret: str, scorer: Scorer) -> None:
    headers = {"Content-Type": "application/json", "X-API-KEY": secret, "Authorization": f"Bearer {secret}"}
    response = post(keys.server, "/predict", {"inputs": RUDE, "truncate": True}, **headers)
    assert response.status_code == 200
    scores = {one["label"]: one["score"] for one in response.json()}
    assert scores == pytest.approx(dict(scorer.score([RUDE])[0]), abs=0.02)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_a_long_post_is_cut_where_the_client_says_so(server: Server) -> None:
    post_ = f"{KIND} " + "é" * 20_480 + f" {RUDE}"
    assert post(server, "/predict", {"inputs": post_}).status_code == 413
    right, left = (predicted(server, post_, truncate=True, truncation_direction=side) for side in ("right", "Left"))
    assert right != left
    assert right == predicted(server, post_.encode()[:20_480].decode(errors="ignore"))


def test_two_texts_are_a_pair_and_lists_are_a_batch(server: Server) -> None:
    one = predicted(server, RUDE)
    assert isinstance(one[0], dict)
    assert predicted(server, [RUDE]) == one
    pair = predicted(server, [KIND, RUDE])
    assert pair == predicted(server, f"{KIND}\n{RUDE}")
    batch = predicted(server, [[RUDE], [KIND], [KIND, RUDE]])
    assert [batch[0], batch[2]] == [one, pair]
    assert len(predicted(server, [["Agreed."]] * 1000)) == 1000


def test_raw_scores_are_log_odds(server: Server) -> None:
    for plain, raw in zip(predicted(server, RUDE), predicted(server, RUDE, raw_scores=True), strict=True):
        assert raw["label"] == plain["label"]
        assert 1 / (1 + math.exp(-raw["score"])) == pytest.approx(plain["score"], abs=1e-6)


@pytest.mark.parametrize(
    "inputs",
    [
        None, 7, "", "\u200b", [], [""], [[]], [["a", "b", "c"]], ["a", 7], [["a"]] * 1001,
        ["a", "b", "c"], ["a", ["b"]], [["a"], "b"],
    ],
)  # fmt: skip
def test_what_cannot_be_scored(server: Server, inputs: Any) -> None:
    response = post(server, "/predict", {"inputs": inputs})
    assert response.status_code == 422
    assert_failure(response, "tei")
    assert "inputs" in response.json()["error"]


def test_null_is_what_is_left_out(server: Server) -> None:
    plain = post(server, "/predict", {"inputs": "Well, well."})
    empty = {"raw_scores": None, "truncate": None, "truncation_direction": None}
    assert post(server, "/predict", {"inputs": "Well, well."} | empty).json() == plain.json()


def test_state(server: Server, scorer: Scorer) -> None:
    health = requests.get(f"{server.url}/health", timeout=60)
    assert (health.status_code, health.content) == (200, b"")
    alone = requests.head(f"{server.url}/health", timeout=60)
    assert (alone.status_code, alone.content) == (200, b"")
    info = requests.get(f"{server.url}/info", timeout=60).json()
    assert info["model_id"] == scorer.manifest.name
    assert info["model_type"]["classifier"]["label2id"]["toxicity"] == scorer.attributes.index("toxicity")
