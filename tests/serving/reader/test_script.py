from __future__ import annotations

import re

import httpx2 as httpx

from serving import triage
from serving.reader.script import SCRIPT
from tests.service import Server

SOURCE = SCRIPT.read_text(encoding="utf-8")


def test_browsers_may_keep_the_script_and_ask_whether_it_changed(server: Server) -> None:
    first = httpx.get(f"{server.url}/report.js")
    assert first.text == SOURCE
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["cache-control"] == "public, max-age=3600"
    for known in (first.headers["etag"], f'"another", W/{first.headers["etag"]}'):
        again = httpx.get(f"{server.url}/report.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(f"{server.url}/report.js", headers={"If-None-Match": '"older"'}).status_code == 200


def test_it_is_packed_for_those_who_can_unpack_it(server: Server) -> None:
    packed = httpx.get(f"{server.url}/report.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 6 * 1024
    assert packed.text == SOURCE
    plain = httpx.get(f"{server.url}/report.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_pages_of_any_origin_may_embed_it(server: Server) -> None:
    headers = httpx.get(f"{server.url}/report.js", headers={"Origin": "https://paper.example"}).headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"


def test_it_offers_the_reasons_that_there_are() -> None:
    found = re.search(r'const REASONS = "([a-z_ ]+)"', SOURCE)
    assert found
    assert found[1].split() == list(triage.REASONS)
    for reason in triage.REASONS:
        assert re.search(rf'^    {reason}: "', SOURCE, re.MULTILINE), reason


def test_it_runs_no_text_as_code_and_sets_no_cookie() -> None:
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", ".cookie"):
        assert risky not in SOURCE
