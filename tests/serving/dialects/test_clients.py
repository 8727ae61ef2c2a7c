"""Clients that cannot be installed here or have Google's address built in: their requests, and what they read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.service import Server
from tests.serving.dialects.calls import ANALYZE, KIND, RUDE, SUGGEST, analyzed, comment, post

SCRIPT = Path(__file__).with_name("clients.mjs")


def test_node_clients(server: Server) -> None:
    run = subprocess.run(["node", SCRIPT, server.url], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    read = json.loads(run.stdout)
    assert 0.3 < read["coral"] < 1
    assert read["coralSpan"] == [[0, read["length"]]]
    assert read["feedback"] == "comment:c1"
    assert read["coralError"] == "400"
    assert read["sentences"][:2] == ["🤡 You clown!", "Thank you."]
    assert "".join(read["sentences"]).endswith("See you 😀")
    assert (read["cut"], read["cutToken"]) == (6, 1)
    assert read["page"] == [200, "application/json; charset=UTF-8"]
    assert read["clientError"] == "Unknown requested attribute: WIT"


def test_pyperspective_reads_everything_unguarded(server: Server) -> None:
    # Its constructor posts nothing at all and reads the first detail.
    empty = requests.post(f"{server.url}{ANALYZE}", params={"key": "k"}, timeout=60).json()
    assert empty["error"]["details"][0]["errorType"] != "API_KEY_INVALID"
    body = comment(RUDE, "TOXICITY", "INSULT", languages=[], doNotStore=True)
    answer = requests.post(f"{server.url}{ANALYZE}", params={"key": "k"}, data=json.dumps(body), timeout=60).json()
    assert answer["languages"][0] == answer["detectedLanguages"][0] == "en"
    for scores in answer["attributeScores"].values():
        assert scores["spanScores"][0]["score"]["value"] == scores["summaryScore"]["value"]
        assert scores["summaryScore"]["type"] == scores["spanScores"][0]["score"]["type"] == "PROBABILITY"


@pytest.mark.parametrize("empty", [{}, None, []], ids=["as R", "as null", "as PHP"])
def test_an_r_user_reads_spans_only(server: Server, empty: Any) -> None:
    names = ["TOXICITY", "SEVERE_TOXICITY"]
    body = {
        "comment": {"text": f"{RUDE} {KIND}"},
        "spanAnnotations": False,
        "requestedAttributes": dict.fromkeys(names, empty),
        "doNotStore": False,
        "languages": "en",
    }
    answer = post(server, ANALYZE, body, "?key=k", **{"Content-Type": "application/json"}).json()
    assert not [name for name in answer if "error" in name]
    for name in names:
        (value,) = [span["score"]["value"] for span in answer["attributeScores"][name]["spanScores"]]
        assert 0 < value < 1
    sentences = analyzed(server, body | {"spanAnnotations": True})["attributeScores"]["TOXICITY"]
    begins, ends = ([span[edge] for span in sentences["spanScores"]] for edge in ("begin", "end"))
    assert (begins, ends) == ([0, len(RUDE) + 1], [len(RUDE), len(RUDE) + 1 + len(KIND)])
    failed = post(server, ANALYZE, body | {"requestedAttributes": {}}, "?key=k").json()
    assert [name for name in failed if "error" in name] == ["error"]
    assert {"code", "status", "message"} <= set(failed["error"])


def test_discourses_plugin_takes_the_last_score(server: Server) -> None:
    body = {
        "comment": {"text": RUDE},
        "doNotStore": True,
        "sessionId": "https://forum.example_17",
        "requestedAttributes": {"SEVERE_TOXICITY": {"scoreType": "PROBABILITY"}},
    }
    answer = post(
        server, ANALYZE, body, "?key=k", **{"User-Agent": "Discourse/3.5", "Content-Type": "application/json"}
    )
    (scores,) = answer.json()["attributeScores"].values()
    assert scores["summaryScore"]["value"] > 0


def test_osmod_sends_context_and_strips_versions(server: Server) -> None:
    body = comment(
        RUDE,
        "TOXICITY@6",
        "INFLAMMATORY",
        context={"entries": [{"text": "Article.", "type": "PLAIN_TEXT"}, {"text": "Parent."}]},
        languages=["en"],
        clientToken="17",
        spanAnnotations=True,
    )
    scores = analyzed(server, body)["attributeScores"]
    assert {name.partition("@")[0] for name in scores} == {"TOXICITY", "INFLAMMATORY"}
    other = {"articleAndParentComment": {"article": {"text": "Article."}, "parentComment": {"text": "Parent."}}}
    assert analyzed(server, body | {"context": other})["attributeScores"] == scores


def test_a_threshold_suppresses_the_whole_attribute(server: Server) -> None:
    asked = {"TOXICITY": {"scoreThreshold": 0.0}, "INSULT": {"scoreThreshold": 1.1}, "THREAT": {"scoreThreshold": 1}}
    answer = analyzed(server, comment() | {"requestedAttributes": asked})
    assert set(answer["attributeScores"]) == {"TOXICITY"}


def test_googles_query_parameters_are_accepted(server: Server) -> None:
    query = "?key=k&alt=json&prettyPrint=false&fields=attributeScores&quotaUser=u&callback=c&$.xgafv=2&uploadType=media"
    for path, body in ((ANALYZE, comment()), ("/v1alpha1/comments%3Aanalyze", comment()), (SUGGEST, {
        "comment": {"text": KIND}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0}}}, "doNotStore": True,
    })):  # fmt: skip
        assert post(server, path, body, query).status_code == 200


def test_equal_texts_get_equal_scores_in_every_dialect(server: Server) -> None:
    scores = {
        "perspective": analyzed(server, comment(RUDE, "INSULT"))["attributeScores"]["INSULT"]["summaryScore"]["value"],
        "openai": post(server, "/v1/moderations", {"input": RUDE}).json()["results"][0]["category_scores"]["insult"],
        "tei": {one["label"]: one["score"] for one in post(server, "/predict", {"inputs": RUDE}).json()}["insult"],
    }
    assert scores == dict.fromkeys(scores, pytest.approx(scores["tei"], abs=1e-7))
