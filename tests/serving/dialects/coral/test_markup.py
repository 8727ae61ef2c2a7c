from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.dialects.coral.markup import text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<div>one</div><div>two</div>", " one  two "),
        ("one<br>two<BR/>three<br />four", "one two three four"),
        ("id<b>io</b>t, <span class='a'>id</span>iot", "idiot, idiot"),
        ("&lt;3 &amp; &quot;quoted&quot; &#39;x&#39; &#x1F921;", "<3 & \"quoted\" 'x' 🤡"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("5 < 6 > 4 <3", "5 < 6 > 4 <3"),
        ("<you idiot> and <!-- idiot --> and <?idiot?>", "<you idiot> and <!-- idiot --> and <?idiot?>"),
        ("<script>idiot</script><style>fool</style>", " idiot  fool "),
        ('<a href="https://news.example/?a=1&amp;b=2">link</a>', "link"),
        ("<blockquote>said</blockquote>so", " said so"),
        ("unclosed <b", "unclosed <b"),
        ("&#" + "1" * 5000 + ";", "&#" + "1" * 5000 + ";"),
    ],
)
def test_text_of_html(html: str, text: str) -> None:
    assert text_of(html) == text


@given(st.text())
def test_no_text_is_lost_or_fails(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert text_of(f"<b>{escaped}</b>") == text
    text_of(text)


@pytest.mark.parametrize("part", ["<", "<!--", "<a ", "</", '<a b="', "&", "&#", "<script>", "<a x="])
def test_hostile_html_takes_no_longer(part: str) -> None:
    began = time.process_time()
    text_of(part * (300_000 // len(part)))
    assert time.process_time() - began < 5
