"""How much one request may ask for, and that the costliest comment that is taken is still scored in time."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from sqlalchemy import select

from labels import taxonomy
from serving.scorer import Scorer
from serving.store import Feedback, Store
from serving.windows import bounded, cut
from tests import databases
from tests.service import Server, running
from tests.serving.dialects.calls import ANALYZE, RUDE, SUGGEST, analyzed, comment, google_error, post, suggestion
from tests.serving.dialects.conftest import Keys

EXAMPLES = Path("docs/examples/comments.jsonl")
MOST_BYTES = 20_480
CHANCE = random.Random(7)
NOISE = "".join(CHANCE.choices("abcdefghijklmnopqrstuvwxyz.,;!?()# ", k=MOST_BYTES))


def versions(count: int) -> list[str]:
    return [f"TOXICITY@{number}" for number in range(count)]


def test_as_many_attributes_as_there_are_names_are_answered_and_no_more(server: Server) -> None:
    assert len(analyzed(server, comment(RUDE, *versions(100)))["attributeScores"]) == 100
    scores = {name: {"summaryScore": {"value": 1}} for name in versions(101)}
    for path, field, body in (
        (ANALYZE, "requestedAttributes", comment(RUDE, *versions(101))),
        (SUGGEST, "attributeScores", suggestion(attributeScores=scores)),
    ):
        refused = post(server, path, body)
        google_error(refused, 400)
        message = refused.json()["error"]["message"]
        assert field in message and "at most 100 items" in message


def test_a_batch_answers_no_more_than_it_may_be_sent(tmp_path: Path) -> None:
    call = json.dumps(comment("So. " * 90, *versions(50), spanAnnotations=True))
    part = f"--b\r\nContent-Type: application/http\r\n\r\nPOST {ANALYZE} HTTP/1.1\r\n\r\n{call}\r\n"
    with running(tmp_path / "log", max_body_bytes=100_000) as server:
        answer = post(server, "/batch", f"{part * 6}--b--".encode(), **{"Content-Type": "multipart/mixed; boundary=b"})
    statuses = [line.split()[1] for line in answer.text.splitlines() if line.startswith("HTTP/1.1")]
    assert statuses[0] == "200"
    assert statuses == sorted(statuses)
    assert statuses[-1] == "413"


@pytest.mark.parametrize(
    "text",
    ["." * MOST_BYTES, "[]" * (MOST_BYTES // 2), "\ufdfa" * (MOST_BYTES // 3), NOISE, "漢字仮名" * (MOST_BYTES // 12)],
    ids=["dots", "brackets", "ligatures", "noise", "kanji"],
)
def test_whatever_a_comment_is_made_of_it_is_scored_before_the_deadline(server: Server, text: str) -> None:
    assert analyzed(server, comment(text))["attributeScores"]


def test_an_insult_in_much_of_the_same_is_read(scorer: Scorer) -> None:
    """10,000 dots, or a made-up word 1,500 times, on both sides of it."""
    (plain,) = scorer.score([RUDE])
    for padding in ("." * 10_000, "zub " * 1_500, "\ufdfa" * 3_000):
        (hidden,) = scorer.score([f"{padding} {RUDE} {padding}"])
        assert hidden["insult"] > plain["insult"] / 4


@pytest.mark.parametrize("text", [" " * (MOST_BYTES + 1), "\ufdfa" * 100_000])
def test_a_text_is_measured_before_it_is_looked_at(server: Server, text: str) -> None:
    for path, body in ((ANALYZE, comment(text)), (SUGGEST, suggestion(text))):
        assert google_error(post(server, path, body), 400, "Comment text too long.")["errorType"] == "COMMENT_TOO_LONG"
    answer = post(server, "/predict", {"inputs": text})
    assert (answer.status_code, answer.json()["error_type"]) == (413, "Validation")


def test_contexts_are_bounded(shipped_server: Server) -> None:
    large = "a" * 2**20
    message = "Context too long: at most 1048576 bytes each, and 2097152 in all."
    for context in (
        {"entries": [{"text": f"{large}a"}]},
        {"entries": [{"text": large}] * 2 + [{"text": "a"}]},
        {"articleAndParentComment": {"article": {"text": f"{large}a"}}},
    ):
        for path, body in ((SUGGEST, suggestion(context=context)), (ANALYZE, comment(context=context))):
            google_error(post(shipped_server, path, body), 400, message)
    both = {"articleAndParentComment": {"article": {"text": large}, "parentComment": {"text": large}}}
    assert post(shipped_server, SUGGEST, suggestion(context=both, doNotStore=True)).status_code == 200


def test_a_context_is_kept_once(keys: Keys, secret: str) -> None:
    text = "What a context, kept once."
    scores = {name: {"summaryScore": {"value": 1}} for name in versions(3)}
    article = {"articleAndParentComment": {"article": {"text": "An article."}}}
    answer = post(keys.server, SUGGEST, suggestion(text, attributeScores=scores, context=article), f"?key={secret}")
    assert answer.status_code == 200
    store = Store(keys.database)
    with store.session() as session:
        rows = session.scalars(select(Feedback).where(Feedback.text == text).order_by(Feedback.id)).all()
    store.close()
    assert [row.context is not None for row in rows] == [True, False, False]


def test_too_many_scores_are_refused_and_none_of_them_kept(keys: Keys, secret: str) -> None:
    text = "What a number of spans."
    span = {"begin": 0, "end": 1, "score": {"value": 1}}
    for counts in ((1001,), (501, 500)):
        scores = {name: {"spanScores": [span] * count} for name, count in zip(versions(2), counts, strict=False)}
        refused = post(keys.server, SUGGEST, suggestion(text, attributeScores=scores), f"?key={secret}")
        google_error(refused, 400)
        assert "at most 1000" in refused.json()["error"]["message"]
    google_error(post(keys.server, SUGGEST, suggestion(text, languages=["en"] * 101), f"?key={secret}"), 400)
    assert text.encode() not in databases.content(keys.database)


def test_the_longest_english_comment_is_read_whole(scorer: Scorer) -> None:
    examples = [json.loads(line)["text"] for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    sentences = [text for a in taxonomy.load().attributes for text in (*a.present, *a.absent)]
    text = " ".join(text for text in (*examples, *sentences) * 9 if isinstance(text, str))[:MOST_BYTES]
    (tokens,) = scorer.encode(scorer.clean([text]))
    windows = cut(tokens, scorer.manifest.token_limit - 2, scorer.manifest.window_overlap)
    assert len(bounded(windows)) == len(windows) > 20
