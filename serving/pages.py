"""Reads a saved comment page: an article, then its readers' comments, as plain text.

The format, from top to bottom (a line is compared without the white space around it)::

    Cookie policy notice                              front matter of the site: short lines, a cookie
                                                      paragraph, a tagline, an advertisement
    This site is intended for ... only
    A kicker                                          optional, a short line above the title
    The title of the article                          the last short line before the article's paragraphs

    Paragraphs of the article, set apart by blank lines.

    Readers' comments (53)                            how many there are in all; the page may show fewer

      • Jane Doe                                      a bullet opens a comment; a name alone is its author

        First paragraph of the comment.

        Second paragraph.

        Unsuitable or offensive? Report this comment  the report mark closes it

      • A comment whose author is not named starts right after its bullet.

        Unsuitable or offensive? Report this comment

    View results 10 results per page20 results per page
    Have your say                                     the foot of the page

An article nobody commented on has neither the heading of the comments nor report marks.
Everything here takes one pass or a fixed number of passes over the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Page", "PageComment", "is_page", "parse_page"]


@dataclass(frozen=True, slots=True)
class PageComment:
    """One reader's comment; ``text`` is whole, its paragraphs joined by an empty line."""

    author: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A saved page. ``title`` and ``article`` are empty where the page has none.

    ``announced`` is the number in "Readers' comments (53)": comments in all, of which this page may show
    only the first few. It is None where the page lacks that heading.
    """

    title: str
    article: str
    comments: tuple[PageComment, ...]
    announced: int | None


# Each is matched against a whole stripped line, so the same words inside a sentence mean nothing.
_HEADING = re.compile(r"readers?['’‘`´]?s? comments? ?\(([0-9][0-9,]{0,11})\)", re.IGNORECASE)
_REPORT = re.compile(r"unsuitable or offensive\? ?report this comment\.?", re.IGNORECASE)
_NOTICE = re.compile(r"this site is intended for .{1,80} only\.?", re.IGNORECASE)
_FOOT = re.compile(r"have your say.{0,40}|view results .{0,400}", re.IGNORECASE)
_BULLET = re.compile(r"([^\S\n]*)•[^\S\n]*(.*)", re.DOTALL)
_PAGINATION = re.compile(r"[0-9]+|first|last|next|of|pages?|per|prev(?:ious)?|results|view|[«»‹›<>…|]|\.\.\.")


def is_page(text: str) -> bool:
    """Whether the text bears a mark of a saved page, as against one comment per line.

    The marks are the heading of the comments, a report mark, or, for an article without comments, the
    site's notice "This site is intended for ... only".
    """
    return any(mark.fullmatch(line) for line in map(str.strip, _lines(text)) for mark in (_HEADING, _REPORT, _NOTICE))


def parse_page(text: str) -> Page:
    """Read a saved page into its title, article and comments; any text is accepted, nothing is raised.

    Comments come in page order. A text without comments gives an empty tuple.
    """
    lines = _lines(text)
    reports = [i for i, line in enumerate(lines) if _REPORT.fullmatch(line.strip())]
    heading = _find_heading(lines, reports)
    if heading is not None:
        top, start = heading, heading + 1
    elif reports:
        top = start = _first_bullet_without_heading(lines, reports[0])
    else:
        top = start = len(lines)
    foot = _find_foot(lines, max(start, reports[-1] + 1 if reports else 0))
    title, article = _read_article(lines[:top])
    announced = None
    if heading is not None and (match := _HEADING.fullmatch(lines[heading].strip())):
        announced = int(match[1].replace(",", ""))
    comments = tuple(_read_comment(block) for block in _split_comments(lines[start:foot]))
    return Page(title=title, article=article, comments=comments, announced=announced)


def _lines(text: str) -> list[str]:
    # Not str.splitlines: form feeds and Unicode line separators may stand inside a comment's line.
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _find_heading(lines: Sequence[str], reports: Sequence[int]) -> int | None:
    """Find the heading that opens the comments: the last unindented one before the first report mark.

    The last, because a page may also show the count beside the title; unindented, because the first
    comment may quote the heading. An indented one is taken if there is no other.
    """
    end = reports[0] if reports else len(lines)
    found = [i for i in range(end) if _HEADING.fullmatch(lines[i].strip())]
    flush = [i for i in found if _indent(lines[i]) == 0]
    return flush[-1] if flush else found[0] if found else None


def _first_bullet_without_heading(lines: Sequence[str], report: int) -> int:
    """Where the comments begin if their heading is missing: the bullet nearest above the first report mark.

    The nearest, because the article above may hold a bulleted list of its own.
    """
    return next((i for i in range(report - 1, -1, -1) if _BULLET.match(lines[i])), report)


def _find_foot(lines: Sequence[str], start: int) -> int:
    """Find the first line of the page's foot, looked for only below the last report mark.

    Above it the same words are pagination on top of the comments, or a comment's own.
    """
    return next(
        (i for i in range(start, len(lines)) if _indent(lines[i]) == 0 and _FOOT.fullmatch(lines[i].strip())),
        len(lines),
    )


# --- comments ---------------------------------------------------------------------------------------------


def _split_comments(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines of each comment, without its bullet and its report mark.

    A comment runs from its bullet to its report mark. Bullets inside it (a reader's own list) are its
    text, with one exception: on an indented page a bullet exactly as deep as the one that opened the
    comment opens the next, for a removed comment may have lost its mark.
    A mark followed by deeper text that no bullet opens was typed by the reader, so it closes nothing:
    otherwise the rest of that comment would go unread.
    A bullet without a report mark that holds only page numbers, or nothing, is no comment.
    """
    following = _next_filled(lines)
    block: list[str] = []
    depth: int | None = None  # how deep the bullet of the open comment stands; None: no comment is open
    for i, line in enumerate(lines):
        bullet = _BULLET.match(line)
        if _REPORT.fullmatch(line.strip()):
            after = following[i]
            if depth is not None and after is not None and _continues(after, depth):
                block.append(line)
                continue
            if depth is not None or any(map(str.strip, block)):
                yield block
            block, depth = [], None
        elif bullet and (depth is None or 0 < len(bullet[1]) == depth):
            if depth is not None and not _is_pagination(block):
                yield block
            # Without an open comment, the lines so far were page furniture (sorting, pagination).
            block, depth = [bullet[2]], len(bullet[1])
        else:
            block.append(line)
    # A page cut short when it was saved ends inside a comment; that comment is kept.
    if depth is not None and not _is_pagination(block):
        yield block


def _next_filled(lines: Sequence[str]) -> list[str | None]:
    """Return for each line the next one below it that is not blank."""
    following: list[str | None] = [None] * len(lines)
    for i in range(len(lines) - 1, 0, -1):
        following[i - 1] = lines[i] if lines[i].strip() else following[i]
    return following


def _continues(line: str, depth: int) -> bool:
    return _indent(line) > depth and not _BULLET.match(line) and not _REPORT.fullmatch(line.strip())


def _is_pagination(block: Sequence[str]) -> bool:
    words = [word for line in block for word in line.replace("•", " ").lower().split()]
    return all(map(_PAGINATION.fullmatch, words))


def _read_comment(lines: Sequence[str]) -> PageComment:
    paragraphs = _paragraphs(lines)
    if paragraphs and "\n" not in paragraphs[0]:
        dated = _read_dated_byline(paragraphs[0])
        if dated is not None:
            return PageComment(author=dated or None, text="\n\n".join(paragraphs[1:]))
        name = paragraphs[0].partition("|")[0].strip()
        if len(paragraphs) > 1 and _is_name(name):
            return PageComment(author=name, text="\n\n".join(paragraphs[1:]))
    return PageComment(author=None, text="\n\n".join(paragraphs))


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """Join stripped lines into paragraphs: a newline within one, blank lines between two."""
    paragraphs: list[list[str]] = []
    apart = True
    for line in map(str.strip, lines):
        if not line:
            apart = True
        elif apart:
            paragraphs.append([line])
            apart = False
        else:
            paragraphs[-1].append(line)
    return ["\n".join(paragraph) for paragraph in paragraphs]


# --- authors ----------------------------------------------------------------------------------------------
# Taking the first words of a comment for a name hides them from the model; taking a name for the first words
# of a comment barely moves its scores. So a line is a name only if everything about it says so.

_NAME_LENGTH = 60
_NAME_WORDS = 6
_SHOUTED_WORDS = 2  # "JANE DOE" signs, "WHAT A JOKE" comments
_DATE = re.compile(r"\b[0-9]{1,2} [a-z]{3,9} [0-9]{4}\b", re.IGNORECASE)
_NAME_WORD = re.compile(r"\(?[^\W_](?:[\w'’‘`´./&-]*[^\W_])?[).,]?")
_HANDLE = re.compile(r"(?=.*[0-9_])@?[a-z_][a-z0-9_.-]{2,}[a-z0-9_]", re.IGNORECASE)  # not "4pm", "gr8"
_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.?){1,4}\.|(?:Prof|Revd|Hons)\.")
_PARTICLES = re.compile(r"al|ap|bin|da|de[lnr]?|di|d[ou]s?|el|ibn|la|le|of|ten|ter|v[ao]n|y", re.IGNORECASE)
# Title-case words that open a remark set on its own line ("Well Said", "Rubbish") and no ordinary name.
_OPENERS = re.compile(
    "absolutely|agreed?|aha|amen|bravo|brilliant|dear|disgraceful|disgusting|ditto|exactly|excellent|fantastic|"
    "good|great|ha|hear|hello|hi|i|indeed|lol|nb|no|nonsense|oh|ok|okay|pathetic|ps|quite|really|ridiculous|"
    "rubbish|seriously|shame|shameful|so|sorry|spot|thanks?|true|typical|unbelievable|well|what|why|wow|yes",
    re.IGNORECASE,
)


def _read_dated_byline(line: str) -> str | None:
    """Return the name in "Name | Role | 01 Jan 2014" ("" if left out), or None if the line is no such byline.

    The date tells it from prose, so the name may be of any shape.
    """
    name, *rest = (field.strip() for field in line.split("|"))
    if rest and len(line) <= 3 * _NAME_LENGTH and _DATE.search(rest[-1]) and len(rest[-1]) <= _NAME_LENGTH:
        return name
    return None


def _is_name(line: str) -> bool:
    """Whether a line that stands alone, with more text below it, is an author's name.

    Short; every word capitalised but for particles (``van``, ``de``); no sentence punctuation, so
    "John," (a salutation) and "You must be joking?" are text; not an opening remark ("Well Said"),
    nor shouted. A nickname with a digit or an underscore (``bob_99``) may be in lower case.
    """
    words = line.split()
    if not words or len(line) > _NAME_LENGTH or len(words) > _NAME_WORDS:
        return False
    if len(words) == 1 and _HANDLE.fullmatch(line):
        return True
    if line[-1] in ".," and not (len(words) > 1 and _ABBREVIATION.fullmatch(words[-1])):
        return False
    if _OPENERS.fullmatch(words[0]) or not any(word[0].isupper() for word in words):
        return False
    if line.isupper() and len(words) > _SHOUTED_WORDS:
        return False
    return all(_is_name_word(word) for word in words)


def _is_name_word(word: str) -> bool:
    if word == "&" or _PARTICLES.fullmatch(word):
        return True
    if not _NAME_WORD.fullmatch(word) or (word.endswith(".") and not _ABBREVIATION.fullmatch(word)):
        return False
    first = word.lstrip("(")[0]
    return first.isupper() or first.isdigit()


# --- article ----------------------------------------------------------------------------------------------

_TITLE_LENGTH = 120
_BYLINE = re.compile(r"[Bb]y [A-Z].*|.*\|.*|[0-9]{1,2} [A-Za-z]{3,9} [0-9]{4}.{0,30}", re.DOTALL)


def _read_article(lines: Sequence[str]) -> tuple[str, str]:
    """Find the title by the page's shape and return it with the text below it.

    Above an article stand short lines without a full stop, one upon another: the site's notices, its
    tagline, a kicker, and last the title. Below the title stand paragraphs. So the title is the last line
    of the first such stack that carries the article. A stack carries only front matter (a cookie policy)
    if no more than two paragraphs follow before another stack of two lines or more that has paragraphs of
    its own; a single short line among paragraphs is a subheading and ends nothing.
    """
    blocks = _paragraphs(lines)
    # A stack with its paragraphs: [start, first paragraph), [first paragraph, end).
    stacks: list[tuple[int, int, int]] = []
    start, previous_short = 0, True
    body: int | None = None
    for i, block in enumerate(blocks):
        short = _is_short(block)
        if short and not previous_short:
            stacks.append((start, body if body is not None else i, i))
            start, body = i, None
        elif not short and body is None:
            body = i
        previous_short = short
    if blocks:
        stacks.append((start, body if body is not None else len(blocks), len(blocks)))
    chosen = stacks[-1] if stacks else (0, 0, 0)
    for stack, following in pairwise(stacks):
        stacked = following[1] - following[0] > 1 and following[2] > following[1]
        if stack[1] > stack[0] and (stack[2] - stack[1] > 2 or not stacked):
            chosen = stack
            break
    first, below, _ = chosen
    title = below - 1
    # A byline or a date between title and article is neither; it stays with the article.
    while title > first and _BYLINE.fullmatch(blocks[title]):
        title -= 1
    if title < first:
        return "", "\n\n".join(blocks[first:])
    return " ".join(blocks[title].split("\n")), "\n\n".join(blocks[title + 1 :])


def _is_short(block: str) -> bool:
    """Whether a block looks like a heading: short, and not a sentence that ends in a full stop."""
    bare = block.rstrip("'\"’”»)")
    ends = bare.endswith((".", ":", ";", ",")) and not bare.endswith("...")
    return len(block) <= _TITLE_LENGTH and not ends
