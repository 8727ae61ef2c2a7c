"""Whatever is sent: spans slice the text, the limit counts bytes, and nothing is answered with a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.dialects.perspective import batch, spans
from serving.dialects.perspective.errors import PerspectiveError
from serving.schemas import MAX_TEXT_BYTES
from tests.service import Server
from tests.serving.dialects.calls import ANALYZE, SUGGEST, analyzed, assert_failure, comment, post
from tests.serving.dialects.conftest import Keys

POSTS = {
    ANALYZE: "perspective",
    SUGGEST: "perspective",
    "/batch": "perspective",
    "/v1/moderations": "openai",
    "/predict": "tei",
    "/v1/score": "native",
}
# Emoji of one to many code points, combining marks, half emoji, scripts without spaces, odd white space.
EMOJI = ["🤡", "👍🏽", "👩\u200d👧", "e\u0301", "\ud83d", "\udc4d"]
PIECES = [*EMOJI, "한국어. ", "你好。", "Mr. ", "No! ", "Well… ", "\n\n", "\u2028", "\u200b", "\x00", "\t"]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=8), max_size=40).map("".join)
SENDABLE = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), min_size=1, max_size=30).map("".join)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = [
    "comment", "text", "type", "requestedAttributes", "TOXICITY", "TOXICITY@\ud800", "SPAM", "scoreType",
    "scoreThreshold", "context", "entries", "articleAndParentComment", "languages", "clientToken", "sessionId",
    "communityId", "doNotStore", "spanAnnotations", "attributeScores", "summaryScore", "spanScores", "begin", "end",
    "score", "value", "input", "model", "inputs", "truncate", "truncation_direction", "raw_scores", "comments", "id",
    "attributes", "requested_attributes", "attribute_scores",
]  # fmt: skip
ALIKE = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 0.5, 10**30, 1e308, "", "Well.", "half \ud800", "PLAIN_TEXT", "left", "en"])
    | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=16,
)


def mostly(valid: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A good message in which some members are anything."""
    return st.dictionaries(st.sampled_from([*valid, *NAMES]), ALIKE, max_size=2).map(lambda odd: valid | odd)


SUGGESTED: dict[str, Any] = {
    "comment": {"text": "A. B."},
    "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
}
BODIES = (
    JSONS
    | ALIKE
    | mostly(comment("Well. 🤡", clientToken="t", spanAnnotations=True))
    | mostly(SUGGESTED)
    | ALIKE.map(lambda odd: SUGGESTED | {"attributeScores": {"TOXICITY": odd}})
    | ALIKE.map(lambda odd: SUGGESTED | {"attributeScores": {"TOXICITY": {"spanScores": [odd]}}})
    | ALIKE.map(lambda odd: comment() | {"requestedAttributes": {"TOXICITY": odd}})
    | ALIKE.map(lambda odd: {"input": odd})
    | ALIKE.map(lambda odd: {"inputs": odd, "truncate": True})
    | ALIKE.map(lambda odd: {"comments": [{"id": "1", "text": odd}]})
)


@given(TEXTS)
@settings(max_examples=500, deadline=None)
def test_spans_slice_the_text(text: str) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    assert spans.utf16(text) * 2 == len(units)
    found = spans.sentences(text)
    assert 1 <= len(found) <= spans.MOST
    end = 0
    for span in found:
        assert end <= span.begin < span.end or found == [spans.whole(text)]
        assert units[2 * span.begin : 2 * span.end] == span.text.encode("utf-16-le", "surrogatepass")
        end = span.end
    assert end * 2 <= len(units)


@given(SENDABLE)
@settings(max_examples=40, deadline=None)
def test_spans_of_an_answer_slice_the_text_that_was_sent(server: Server, text: str) -> None:
    sent = text + " ok"
    answer = analyzed(server, comment(sent, spanAnnotations=True))
    units = len(sent.encode("utf-16-le", "surrogatepass")) // 2
    places = [(span["begin"], span["end"]) for span in answer["attributeScores"]["TOXICITY"]["spanScores"]]
    edges = [edge for place in places for edge in place]
    assert edges == sorted(edges)
    assert edges[-1] <= units


@given(st.sampled_from(["a", "é", "한", "🤡", "\ud83d"]), st.integers(-4, 4))
@settings(max_examples=25, deadline=None)
def test_the_limit_is_in_bytes_of_utf8(server: Server, character: str, over: int) -> None:
    each = len(character.encode("utf-8", "surrogatepass"))
    size = MAX_TEXT_BYTES + over
    text = character * (size // each) + "x" * (size % each)
    status = 200 if over <= 0 else 400
    assert post(server, ANALYZE, comment(text)).status_code == status
    assert post(server, "/v1/moderations", {"input": text}).status_code == status
    assert post(server, "/predict", {"inputs": text}).status_code == (413 if over > 0 else 200)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("escaped", [True, False])
def test_json_in_every_encoding_of_unicode(server: Server, encoding: str, escaped: bool) -> None:
    body = comment("Ünïcode 🤡 한국어", spanAnnotations=True)
    assert analyzed(server, json.dumps(body, ensure_ascii=escaped).encode(encoding)) == analyzed(server, body)


@pytest.mark.parametrize("path", POSTS)
@given(body=BODIES)
@settings(max_examples=150, deadline=None)
def test_no_json_is_a_failure_of_ours(server: Server, path: str, body: Any) -> None:
    response = post(server, path, body, **{"Content-Type": "application/json"})
    assert response.status_code < 500
    if response.status_code != 200:
        assert_failure(response, POSTS[path])


@pytest.mark.parametrize("path", POSTS)
@given(body=st.binary(max_size=60), kind=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
@settings(max_examples=60, deadline=None)
def test_no_bytes_are_a_failure_of_ours(server: Server, path: str, body: bytes, kind: str) -> None:
    response = post(server, path, body, **{"Content-Type": kind.strip()})
    assert response.status_code < 500
    assert_failure(response, POSTS[path])


@given(st.text(st.characters(), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_key_is_a_failure_of_ours(keys: Keys, key: str) -> None:
    header = key.encode("utf-8", "replace").decode("latin-1").translate(dict.fromkeys(range(32))).strip()
    for way in ({"X-API-Key": header}, {"Authorization": f"Bearer {header}"}, {"Authorization": header}):
        assert post(keys.server, "/predict", {"inputs": "x"}, **way).status_code == 401
    query = "?key=" + "".join(f"%{byte:02x}" for byte in key.encode("utf-8", "surrogatepass"))
    assert post(keys.server, ANALYZE, comment(), query).status_code in (400, 403)


LINES = st.sampled_from(
    [
        b"--b",
        b"--b--",
        b"--c",
        b"",
        b"{}",
        b"POST",
        b"POST /v1alpha1/comments:analyze?key=k HTTP/1.1",
        b"POST //[::1 HTTP/1.1",
        b"Content-Type: application/http",
        b"Content-Type: application/http; charset=x",
        b"Content-Type: application/http; a*0*=x''%ff; a*=y",
        b"Content-Type: multipart/mixed; boundary=c",
        b"Content-Type: message/rfc822",
        b"Content-Type: =?utf-8?q?=ff?=",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x",
        b"Content-Disposition: x; filename*=utf-8''%ff",
        b"Content-ID: <a\r\n b>",
        b"Content-ID: \xff",
        b"MIME-Version: 1..",
    ]
) | st.binary(max_size=30)
KINDS = st.sampled_from(
    [
        "multipart/mixed; boundary=b",
        'multipart/mixed; boundary="b"',
        "multipart/mixed; boundary*=utf-8''b",
        "multipart/",
    ]
) | st.text(st.characters(), max_size=20).map(lambda more: f"multipart/mixed; boundary=b; {more}")


@given(KINDS, st.lists(LINES, max_size=25).map(b"\r\n".join))
@settings(max_examples=2000, deadline=None)
def test_a_batch_is_read_or_refused(kind: str, body: bytes) -> None:
    try:
        parts = batch.read(kind, body)
    except PerspectiveError:
        return
    written = batch.write([(part, 200, {}, {}) for part in parts], "c")
    assert written.count(b"--c") >= len(parts) + 1
