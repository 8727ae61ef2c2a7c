"""Coral's Perspective phase."""

from __future__ import annotations

import json
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import select

from serving.scorer import Scorer
from serving.store import Feedback
from tests.serving.dialects.coral.calls import MARKED, RUDE, Service


def perspective(service: Service, method: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    """As Coral calls it: the admin's endpoint, ours with `/v1alpha1`, and the key in the query."""
    return httpx.post(
        f"{service.server.url}/v1alpha1/comments:{method}",
        params={"key": service.key if key is None else key},
        headers={"User-Agent": "Coral Perspective/9.11.8", "Content-Type": "application/json"},
        content=json.dumps(body),
        timeout=60,
    )


def analysis(model: str, language: str = "en", do_not_store: bool = True) -> dict[str, Any]:
    return {
        "comment": {"text": RUDE},
        "doNotStore": do_not_store,
        "requestedAttributes": {model: {}},
        "languages": [language],
    }


@pytest.mark.parametrize("language", ["en", "es", "fr", "de", "pt"])
@pytest.mark.parametrize("model", ["TOXICITY", "SEVERE_TOXICITY", "REPORT_WORTHY", "INCIVILITY"])
def test_coral_finds_the_score_of_the_model_that_its_admin_typed(
    service: Service, model: str, language: str, scorer: Scorer
) -> None:
    answer = perspective(service, "analyze", analysis(model, language))
    assert answer.status_code == 200, answer.text
    scores = answer.json()["attributeScores"]
    assert list(scores) == [model]
    expected = scorer.score([RUDE])[0][model.lower()]
    assert scores[model]["summaryScore"]["value"] == pytest.approx(expected, abs=0.02)


def test_coral_is_refused_with_a_bad_key_or_model_and_goes_on(service: Service) -> None:
    assert perspective(service, "analyze", analysis("TOXICITY"), key="wrong").status_code == 400
    assert perspective(service, "analyze", analysis("NICENESS")).status_code == 400


@pytest.mark.parametrize(("value", "reply"), [(0, "c-1"), (1, None)])
def test_corals_feedback_becomes_a_label(service: Service, value: int, reply: str | None) -> None:
    text, url = f"{MARKED} {value}", f"https://news.example/a?commentID=c-{value}-2"
    about = {"url": url, "reply_to_id_Coral_comment_id": reply, "Coral_comment_id": f"c-{value}-2"}
    sent = {
        "comment": {"text": text},
        "context": {"entries": [{"text": json.dumps(about)}]},
        "attributeScores": {"REPORT_WORTHY": {"summaryScore": {"value": value}}},
        "languages": ["en"],
        "communityId": "Coral:https://news.example",
        "clientToken": f"comment:c-{value}-2",
    }
    answer = perspective(service, "suggestscore", sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["clientToken"] == sent["clientToken"]
    with service.store.session() as session:
        (row,) = session.scalars(select(Feedback).where(Feedback.text == text))
    assert (row.attribute, row.value, row.comment_id, row.reply_to) == ("REPORT_WORTHY", value, f"c-{value}-2", reply)
    assert (row.story_url, row.community_id) == (url, "Coral:https://news.example")
    assert row.client_token == sent["clientToken"]
    assert row.key_id
