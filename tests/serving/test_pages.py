from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.pages import Page, PageComment, is_page, parse_page

REPORT = "Unsuitable or offensive? Report this comment"
FRONT = """Cookie policy notice

Carry on and you accept the biscuits described below:
Since last spring every site must ask before it hands out biscuits.

This site is intended for lighthouse keepers only

Minding the lamps since 1911
"""
ARTICLE = """Harbour board votes to paint the lighthouse green

The harbour board voted on Monday to repaint the lighthouse, in spite of protests.

‘Nobody will see it in summer,’ said the keeper.

The work begins in May.
"""
FOOT = "View results 10 results per page20 results per page\n\nHave your say"


def render(*comments: str, heading: str = "Readers' comments (3)", foot: str = FOOT) -> str:
    """A page whose comments are given as their paragraphs, apart by empty lines."""
    parts = [FRONT, ARTICLE, heading]
    for comment in comments:
        lines = [f"    {line}" if line else "" for line in [*comment.split("\n"), "", REPORT]]
        lines[0] = "  • " + lines[0].strip()
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, foot])


def only(page: str) -> PageComment:
    (comment,) = parse_page(page).comments
    return comment


def test_page_with_named_and_anonymous_comments() -> None:
    page = parse_page(
        render(
            "Ada Quill\n\nFirst thought.\n\nSecond thought,\nin two lines.",
            "Green suits it.\n\nMostly.",
            "one line only",
        )
    )
    assert page.title == "Harbour board votes to paint the lighthouse green"
    assert page.article.startswith("The harbour board voted")
    assert page.article.endswith("begins in May.")
    assert page.announced == 3
    assert page.comments == (
        PageComment("Ada Quill", "First thought.\n\nSecond thought,\nin two lines."),
        PageComment(None, "Green suits it.\n\nMostly."),
        PageComment(None, "one line only"),
    )


@pytest.mark.parametrize(
    "name",
    [
        "Ada Quill",
        "Anonymous",
        "Kept The Lamp Lit",
        "Dr Ada Quill",
        "Dr. A. J. Quill",
        "Ada Quill Jr.",
        "Ada Quill, FRCGP",
        "Ludwig van der Meer",
        "Siân O’Brien-Núñez",
        "ADA QUILL",
        "keeper_77",
        "lamp2",
        "@quill.1911",
        "Lady of Shale",
    ],
)
def test_a_name_alone_on_the_bullet_line_is_the_author(name: str) -> None:
    assert only(render(f"{name}\n\nPaint it blue.")) == PageComment(name, "Paint it blue.")


@pytest.mark.parametrize(
    "opening",
    [
        "Ada,",
        "Ada Quill:",
        "Surely you cannot mean it?",
        "Shameful!",
        "Well Said",
        "Rubbish",
        "Fine by me",
        "green",
        "WHAT A WASTE",
        "Oh wait......",
        "It began in 1911.",
        "1.",
        "1911",
        "4pm",
        "gr8",
        "the2nd.",
        '"Ada Quill"',
        "A Very Long Line Of Words That All Begin With Capitals",
        "X" * 61,
    ],
)
def test_an_opening_line_that_is_no_name_stays_in_the_text(opening: str) -> None:
    assert only(render(f"{opening}\n\nPaint it blue.")) == PageComment(None, f"{opening}\n\nPaint it blue.")


def test_a_name_needs_an_empty_line_and_text_below_it() -> None:
    assert only(render("Ada Quill\nPaint it blue.")) == PageComment(None, "Ada Quill\nPaint it blue.")
    assert only(render("Ada Quill")) == PageComment(None, "Ada Quill")


@pytest.mark.parametrize(
    ("byline", "author"),
    [
        ("Ada Quill | Keeper | 01 Jan 2014", "Ada Quill"),
        ("Anonymous | Harbour Master/Pilot | 12 September 2014 9:04pm", "Anonymous"),
        ("lampblack, retired! | Keeper | 01 Jan 2014", "lampblack, retired!"),
        ("| Keeper | 01 Jan 2014", None),
        ("Ada Quill | Keeper", "Ada Quill"),
    ],
)
def test_byline_with_role_and_date(byline: str, author: str | None) -> None:
    assert only(render(f"{byline}\n\nPaint it blue.")) == PageComment(author, "Paint it blue.")


def test_an_undated_byline_must_begin_with_a_name() -> None:
    text = "you lot are | hopeless\n\nPaint it blue."
    assert only(render(text)) == PageComment(None, text)


def test_no_report_link_in_a_dated_byline_without_text() -> None:
    assert only(render("Ada Quill | Keeper | 01 Jan 2014")) == PageComment("Ada Quill", "")


@pytest.mark.parametrize(
    "heading",
    [
        "Readers' comments (53)",
        "Readers’ comments (53)",
        "  READERS' COMMENTS (53) ",
        "Readers' comments(53)",
    ],
)
def test_heading_forms(heading: str) -> None:
    page = parse_page(render("Green, please.", heading=heading))
    assert page.announced == 53
    assert len(page.comments) == 1


def test_announced_thousands() -> None:
    assert parse_page(render("Green.", heading="Readers' comments (1,204)")).announced == 1204


def test_marks_inside_a_sentence_are_text() -> None:
    text = f"They ask: {REPORT}. I wrote below Readers' comments (9) that I would."
    assert only(render(text)).text == text


def test_bullets_and_furniture_words_inside_a_comment_are_its_text() -> None:
    text = "My list\n\n• green\n• blue\n\nHave your say\n\nView results of the vote"
    assert only(render(text)).text == text


def test_a_report_mark_typed_by_the_reader_hides_nothing() -> None:
    text = f"Innocent.\n\n{REPORT}\n\nNot innocent."
    assert [c.text for c in parse_page(render(text, "Next.")).comments] == [text, "Next."]


def test_a_comment_without_report_mark_ends_at_the_next_bullet() -> None:
    page = render("First.", "Second.").replace(REPORT, "", 1)
    assert [c.text for c in parse_page(page).comments] == ["First.", "Second."]


def test_page_cut_short_keeps_its_last_comment() -> None:
    page = render("First.", "Ada Quill\n\nSecond.").rpartition(REPORT)[0].rstrip()
    assert parse_page(page).comments[-1] == PageComment("Ada Quill", "Second.")


def test_pagination_and_what_follows_are_no_comments() -> None:
    foot = f"  • 1\n  • 2\n  • Next »\n\n{FOOT}\n\n  • Another headline\n\nSign in to comment"
    assert [c.text for c in parse_page(render("Green.", foot=foot)).comments] == ["Green."]


def test_pagination_above_the_comments() -> None:
    page = render("Green.", "Blue.", heading=f"Readers' comments (2)\n\n{FOOT}")
    assert [c.text for c in parse_page(page).comments] == ["Green.", "Blue."]


def test_a_count_beside_the_title_does_not_open_the_comments() -> None:
    page = parse_page(render("Green.").replace("The harbour", "Readers' comments (3)\n\nThe harbour", 1))
    assert len(page.comments) == 1
    assert "begins in May." in page.article


def test_comments_without_their_heading() -> None:
    page = parse_page(render("Ada Quill\n\nGreen.", "Blue.", heading="  • a point of the article"))
    assert page.announced is None
    assert [c.author for c in page.comments] == ["Ada Quill", None]
    assert page.article.endswith("a point of the article")


def test_page_without_indentation() -> None:
    page = "\n".join(line.strip() for line in render("Ada Quill\n\nGreen.\n\n• a\n• b", "Blue.").split("\n"))
    assert parse_page(page).comments == (
        PageComment("Ada Quill", "Green.\n\n• a\n• b"),
        PageComment(None, "Blue."),
    )


def test_windows_line_ends_and_byte_order_mark() -> None:
    page = render("Ada Quill\n\nGreen.", "Blue.")
    assert parse_page("\ufeff" + page.replace("\n", "\r\n")) == parse_page(page)


def test_a_page_without_comments_is_still_a_page() -> None:
    text = f"{FRONT}\n{ARTICLE}"
    assert is_page(text)
    assert parse_page(text) == Page(
        title="Harbour board votes to paint the lighthouse green",
        article=ARTICLE.split("\n\n", 1)[1].strip(),
        comments=(),
        announced=None,
    )


@pytest.mark.parametrize("text", ["", "\n", "Green, please.\nBlue!\n", "I clicked Report this comment.\n"])
def test_lines_are_no_page(text: str) -> None:
    assert not is_page(text)
    assert parse_page(text).comments == ()


@pytest.mark.parametrize("mark", ["Readers' comments (0)", "Readers’ comments (5)", REPORT])
def test_each_mark_makes_a_page(mark: str) -> None:
    assert is_page(f"Something\n\n  {mark} \n")


# --- title -----------------------------------------------------------------------------------------------


def title_of(*blocks: str) -> str:
    return parse_page("\n\n".join([*blocks, "Readers' comments (0)"])).title


PARAGRAPHS = ("One thing happened.", "Another followed, they say.", "Nobody minded.", "That was all.")


def test_title_is_the_last_short_line_above_the_paragraphs() -> None:
    assert title_of("A notice", "A tagline", "pic 80x101px\nRead it online", "A kicker", "The Title", *PARAGRAPHS) == (
        "The Title"
    )


def test_title_may_ask() -> None:
    assert title_of("A notice", "Is green a colour?", *PARAGRAPHS) == "Is green a colour?"


def test_a_long_standfirst_is_not_the_title() -> None:
    assert title_of("A notice", "The Title", "a standfirst without its stop " * 6, *PARAGRAPHS) == "The Title"


def test_front_matter_with_paragraphs_is_passed_over() -> None:
    cookies = ("Cookies", "We use them.", "You may refuse.")
    assert title_of(*cookies, "A notice", "A tagline", "The Title", *PARAGRAPHS) == "The Title"


def test_subheadings_are_not_the_title() -> None:
    blocks = (
        "A notice",
        "The Title",
        "An introduction.",
        "A subheading",
        *PARAGRAPHS,
        "See also",
        "Motion",
        "It says so.",
    )
    assert title_of(*blocks) == "The Title"


def test_byline_between_title_and_article() -> None:
    page = parse_page("\n\n".join(["The Title", "By Ada Quill", "3 May 2014", *PARAGRAPHS, "Readers' comments (0)"]))
    assert page.title == "The Title"
    assert page.article.startswith("By Ada Quill\n\n3 May 2014\n\nOne thing")


def test_no_title() -> None:
    page = parse_page("\n\n".join([*PARAGRAPHS, "Readers' comments (0)"]))
    assert (page.title, page.article) == ("", "\n\n".join(PARAGRAPHS))


# --- any text --------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        "•",
        "  • ",
        "    ",
        "\n",
        "\n\n",
        REPORT,
        "Readers' comments (2)",
        "Have your say",
        "View results 10",
        "Ada Quill",
        "|",
    ]
)


@settings(deadline=None)
@given(st.lists(FRAGMENTS | st.text(max_size=20), max_size=40).map("".join))
def test_any_text_is_read(text: str) -> None:
    page = parse_page(text)
    is_page(text)
    for comment in page.comments:
        assert comment.author is None or comment.author.strip()
        assert comment.text == comment.text.strip()


NAMES = st.lists(st.from_regex(r"[B-DF-GJ-M][a-z]{3,8}x", fullmatch=True), min_size=1, max_size=4).map(" ".join)
# A paragraph that could not be a name, a mark or a bullet: it ends like a sentence.
LINES = st.from_regex(r"[a-zà-ü0-9“(][ -~à-ü’“”€]{0,60}[a-z][.!?]", fullmatch=True).filter(lambda line: "|" not in line)
PARAGRAPH_TEXTS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)
COMMENTS = st.builds(PageComment, st.none() | NAMES, st.lists(PARAGRAPH_TEXTS, min_size=1, max_size=4).map("\n\n".join))


@settings(deadline=None)
@given(st.lists(COMMENTS, max_size=8))
def test_a_rendered_page_is_read_back(comments: list[PageComment]) -> None:
    blocks = [c.text if c.author is None else f"{c.author}\n\n{c.text}" for c in comments]
    page = parse_page(render(*blocks, heading=f"Readers’ comments ({len(comments)})"))
    assert page.announced == len(comments)
    assert page.comments == tuple(comments)
    assert page.title.startswith("Harbour board")


@pytest.mark.parametrize(
    "unit",
    [
        "\n",
        " ",
        "  • a\n",
        "  • a\n\n    b\n\n    " + REPORT + "\n\n",
        REPORT + "\n",
        "Readers' comments (1)\n",
        "a b\n\n",
        "|",
    ],
)
def test_time_grows_with_the_text_only_linearly(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    start = time.process_time()  # others' work does not count
    parse_page(text)
    # Linear takes well under a second here; quadratic would take minutes.
    assert time.process_time() - start < 20
