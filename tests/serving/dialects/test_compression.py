"""Bodies that come compressed, as Google's clients for Java and .NET send all of theirs."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import compression
from serving.errors import ApiError
from tests.service import Server
from tests.serving.dialects.calls import ANALYZE, RUDE, SUGGEST, assert_failure, comment, google_error, post, suggestion

BODIES: dict[str, tuple[str, Any]] = {
    ANALYZE: ("perspective", comment()),
    SUGGEST: ("perspective", suggestion(doNotStore=True)),
    "/v1/moderations": ("openai", {"input": RUDE}),
    "/predict": ("tei", {"inputs": RUDE}),
    "/v1/score": ("native", {"comments": [{"id": "1", "text": RUDE}]}),
}
PATHS = pytest.mark.parametrize("path", BODIES)


def sent(server: Server, path: str, body: Any, encoding: str = "gzip") -> requests.Response:
    return requests.post(f"{server.url}{path}", data=body, headers={"Content-Encoding": encoding}, timeout=60)


def pieces(body: bytes) -> Iterator[bytes]:
    """A body that is sent in chunks."""
    yield body[:7]
    yield body[7:]


@PATHS
def test_a_compressed_body_is_read(server: Server, path: str) -> None:
    body = BODIES[path][1]
    plain = json.dumps(body).encode()
    small = gzip.compress(plain)
    answers = [
        post(server, path, body),
        sent(server, path, small),
        sent(server, path, pieces(small)),
        sent(server, path, small, "X-GZIP"),
        sent(server, path, plain, "identity"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    told = [{name: value for name, value in _members(answer).items() if name != "id"} for answer in answers]
    assert told == [told[0]] * 5


def _members(answer: requests.Response) -> dict[str, Any]:
    content = answer.json()
    return content if isinstance(content, dict) else {"predictions": content}


@PATHS
@pytest.mark.parametrize("body", [b"{}", b"\x1f\x8b", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"])
def test_what_is_no_gzip_is_told(server: Server, path: str, body: bytes) -> None:
    refused = sent(server, path, body)
    assert refused.status_code == 400
    assert_failure(refused, BODIES[path][0])
    assert "Content-Encoding" in refused.text


@PATHS
def test_another_encoding_is_told(server: Server, path: str) -> None:
    refused = sent(server, path, zlib.compress(b"{}"), "deflate")
    assert (refused.status_code, refused.headers["accept-encoding"]) == (415, "gzip")
    assert_failure(refused, BODIES[path][0])
    assert "expected gzip" in refused.text


@PATHS
def test_what_would_grow_too_large_is_refused(server: Server, path: str) -> None:
    refused = sent(server, path, gzip.compress(b" " * 2**28))
    assert refused.status_code == 413
    assert_failure(refused, BODIES[path][0])


def test_an_answer_without_a_body_does_not_ask_for_one(server: Server) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert requests.get(f"{server.url}/readyz", headers=headers, timeout=60).status_code == 200
    google_error(sent(server, ANALYZE, b""), 400, "Comment must be non-empty.")


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 400))
@settings(deadline=None)
def test_it_is_the_same_in_any_pieces_and_never_larger_than_the_limit(body: bytes, cuts: list[int], most: int) -> None:
    small = gzip.compress(body)
    edges = [0, *sorted(min(cut, len(small)) for cut in cuts), len(small)]
    coded = compression.body(b"gzip", most)
    found = [
        coded.decode(small[begin:end], last=end == len(small) and number == len(edges) - 2)
        for number, (begin, end) in enumerate(pairwise(edges))
    ]
    assert b"".join(found) == body[: most + 1]


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        assert compression.body(b"gzip", 1000).decode(body, last=True) == (gzip.decompress(body) if body else b"")
    except ApiError as error:
        assert error.status_code == 400
