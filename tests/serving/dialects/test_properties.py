"""Whatever is sent: spans slice the text, the limit counts bytes, and nothing is answered with a 500."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.dialects.perspective import batch, spans
from serving.dialects.perspective.errors import PerspectiveError
from serving.schemas import MAX_TEXT_BYTES
from tests.service import Server
from tests.serving.dialects.calls import ANALYZE, SUGGEST, analyzed, assert_failure, comment, post, suggestion
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
PIECES += ["plan B\u00a0.", "C\u3000", "\u2003."]  # white space over which the splitter panicked
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=8), max_size=40).map("".join)
SENDABLE = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), min_size=1, max_size=30).map("".join)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
# A good message of each kind with all its members, and what no client should send in their places.
CONTEXT = {"entries": [{"text": '{"Coral_comment_id": "c", "url": "u"}', "type": "PLAIN_TEXT"}]}
COMMON: dict[str, Any] = {
    "context": CONTEXT,
    "languages": ["en"],
    "clientToken": "t",
    "sessionId": "s",
    "communityId": "c",
}
LABELS = {
    "summaryScore": {"value": 1, "type": "PROBABILITY"},
    "spanScores": [{"begin": 0, "end": 2, "score": {"value": 0}}],
}
ASKED = {"TOXICITY": {"scoreType": "PROBABILITY", "scoreThreshold": 0.0}}
GOOD: dict[str, Any] = {
    ANALYZE: comment("A 🤡. B.", **COMMON, spanAnnotations=True, doNotStore=True) | {"requestedAttributes": ASKED},
    SUGGEST: suggestion("A 🤡. B.", **COMMON, doNotStore=False) | {"attributeScores": {"TOXICITY": LABELS}},
    "/v1/moderations": {"input": [{"type": "text", "text": "Well."}], "model": "m"},
    "/predict": {
        "inputs": [["Well.", "So."], ["Then."]],
        "raw_scores": True,
        "truncate": True,
        "truncation_direction": "left",
    },
    "/v1/score": {"comments": [{"id": "1", "text": "Well.", "context": {"article": "A"}}], "attributes": ["insult"]},
}
ODD: list[Any] = [
    None, True, -1, 0.5, 10**30, -(10**400), 1e308, float("nan"), float("inf"), "", "half \ud800", "\x00", "long" * 100,
    '{"Coral_comment_id": "\\ud800", "url": 7}', [], {}, [[]], ["\udc00", 7], {"\udc00": {}}, {"text": "Well."},
]  # fmt: skip


def places(message: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in a message."""
    yield at
    inner = message.items() if isinstance(message, dict) else enumerate(message) if isinstance(message, list) else ()
    for name, value in inner:
        yield from places(value, (*at, name))


def put(message: Any, at: tuple[Any, ...], odd: Any) -> Any:
    """The message with another value in one place."""
    if not at:
        return odd
    copy = message.copy()
    copy[at[0]] = put(copy[at[0]], at[1:], odd)
    return copy


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
@settings(max_examples=12, deadline=None)
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


def assert_answered(response: requests.Response, path: str) -> None:
    assert response.status_code < 500, response.text
    if response.status_code != 200:
        assert_failure(response, POSTS[path])


@pytest.mark.parametrize("path", GOOD)
def test_one_odd_value_anywhere_is_no_failure_of_ours(server: Server, path: str) -> None:
    with requests.Session() as session:
        assert session.post(f"{server.url}{path}", json=GOOD[path], timeout=60).status_code == 200
        for at in places(GOOD[path]):
            for odd in ODD:
                body = json.dumps(put(GOOD[path], at, odd))
                headers = {"Content-Type": "application/json"}
                assert_answered(session.post(f"{server.url}{path}", data=body, headers=headers, timeout=60), path)


@pytest.mark.parametrize("path", POSTS)
@given(JSONS)
@settings(max_examples=50, deadline=None)
def test_no_json_is_a_failure_of_ours(server: Server, path: str, body: Any) -> None:
    assert_answered(post(server, path, body, **{"Content-Type": "application/json"}), path)


@pytest.mark.parametrize("path", POSTS)
@given(body=st.binary(max_size=60), kind=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
@settings(max_examples=30, deadline=None)
def test_no_bytes_are_a_failure_of_ours(server: Server, path: str, body: bytes, kind: str) -> None:
    response = post(server, path, body, **{"Content-Type": kind.strip()})
    assert response.status_code < 500
    assert_failure(response, POSTS[path])


@given(st.text(st.characters(), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_no_key_is_a_failure_of_ours(keys: Keys, key: str) -> None:
    header = key.encode("utf-8", "replace").decode("latin-1").translate(dict.fromkeys([*range(32), 127])).strip()
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
@settings(max_examples=500, deadline=None)
def test_a_batch_is_read_or_refused(kind: str, body: bytes) -> None:
    try:
        parts = batch.read(kind, body)
    except PerspectiveError:
        return
    written = batch.write([batch.Answer(part, 200, b"{}", {}) for part in parts], "c")
    assert written.count(b"--c") >= len(parts) + 1


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\n\r\n" * 500_000,
        b"--b\r\nContent-Type: application/http\r\n\r\n" + b"\r\n" * 2_000_000 + b"--b--",
        b"--b\r\nContent-ID: <a>\r\n" + b" b\r\n" * 1_000_000 + b"\r\n\r\n--b--",
        b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (i, i + 1) for i in range(2000)),
    ],
    ids=["empty parts", "empty lines", "a folded header", "nested"],
)
def test_a_batch_takes_time_by_its_size_alone(body: bytes) -> None:
    began = time.process_time()  # others' work does not count
    with suppress(PerspectiveError):
        assert all(part.problem for part in batch.read("multipart/mixed; boundary=b", body))
    assert time.process_time() - began < 3
