from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.dialects.coral.markup import addresses_of, text_of
from serving.policy import count_links


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


@pytest.mark.parametrize(
    "part", ["<", "<!--", "<a ", "</", '<a b="', "&", "&#", "<script>", "<a x=", "<a href=x>", "<a href  "]
)
def test_hostile_html_takes_no_longer(part: str) -> None:
    began = time.process_time()
    text_of(part * (300_000 // len(part)))
    addresses_of(part * (300_000 // len(part)))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('see <a href="http://a.example/x">a.example/x</a>', 1),
        (
            "<a href=\"https://a.example\">here</a> and <A target=_blank HREF='http://b.example?c=1&amp;d=2'>there</a>",
            2,
        ),
        ('<a href="https://a.example">https://a.example</a> and https://b.example', 2),
        ("<a href=//a.example>here</a>", 1),
        ('<a href="mailto:a@b.example">write</a> <a name="x">http://a.example</a>', 1),
        ('<a href="https://a.example">one <a href="https://b.example">two https://c.example', 3),
        ("none", 0),
    ],
)
def test_links_are_counted_by_where_they_lead(html: str, links: int) -> None:
    assert count_links(addresses_of(html)) == links


@given(st.text(st.sampled_from("<a href='x\">/= ")))
def test_no_html_is_too_odd_for_its_links(html: str) -> None:
    addresses_of(html)
