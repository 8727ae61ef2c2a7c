"""The text that a reader sees of a comment's HTML.

Not by html.parser: the time that takes grows with the square of some inputs (320 kB of `<!--`: 100 seconds),
and readers choose the input. The two expressions here look at no character more than twice or so.
"""

from __future__ import annotations

import re
from html import unescape

TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)(?:[\s/][^<>]*)?>")
# Bounded, since unescape() fails on numbers of thousands of digits; with a semicolon, as serialisers write them.
ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")

# Within a word these show no gap, so `id<b>io</b>t` is one word; any other element ends a line or a cell.
INLINE = (
    "a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark q ruby s samp small span strike strong "
    "sub sup time tt u var wbr"
)
BREAKING = (
    "address article aside audio blockquote body br button canvas caption center col colgroup dd details dialog dir "
    "div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr "
    "html iframe img input legend li link main map menu meta nav noframes noscript object ol optgroup option output "
    "p param picture pre progress rp rt script search section select slot source spoiler style summary svg table "
    "tbody td template textarea tfoot th thead title tr track ul video"
)
SPACES = dict.fromkeys(INLINE.split(), "") | dict.fromkeys(BREAKING.split(), " ")  # element -> what it leaves

HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


def text_of(html: str) -> str:
    """The text of an HTML fragment, its entities decoded, with a space where an element breaks the line.

    Whatever is no element of HTML (`<you idiot>`, `<!-- idiot -->`) is kept as it stands: Coral's purifier leaves
    none in HTML, so it is plain text that was sent under the wrong setting, and must not slip through unread.
    The inside of scripts and the like is text too. Never raises; linear in time.
    """
    bare = TAG.sub(lambda tag: SPACES.get(tag[1].lower(), tag[0]), html)
    return ENTITY.sub(lambda entity: unescape(entity[0]), bare)


def addresses_of(html: str) -> str:
    """The same text with the address of each link in place of the link's own words, which may be others or none."""
    parts: list[str] = []
    end, inside = 0, False
    for tag in TAG.finditer(html):
        if tag[1].lower() != "a":
            continue
        if not inside:
            parts.append(html[end : tag.start()])
        end, found = tag.end(), HREF.search(tag[0])
        inside = found is not None
        if found:
            address = found[1] or found[2] or found[3] or ""
            parts.append(f" {'http:' if address.startswith('//') else ''}{address} ")
    return text_of("".join((*parts, html[end:])))
