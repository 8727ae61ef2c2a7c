from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.text import aligned, normalise, visible

# What disguises are made of, so that random texts hold some.
PIECES = st.sampled_from(
    (
        *(
            "id",
            "iot",
            " ",
            "*",
            "f**k",
            "&amp;",
            "&#105;",
            "<b>",
            "</p>",
            "<br/>",
            "\u0336",
            "\u200b",
            "о",
            "Ｈ",
            "1",
            "0",
        ),
        *(
            "1",
            "0",
            "$",
            "ö",
            ".",
            "-",
            "s",
            "aaa",
            "**",
            "ﬁ",
            "\u0301",
            "i d i o t",
            "&lt;",
            ";",
            "amp;",
            "1d10t",
            "한",
            "beleive",
            "mroon",
        ),
        *("한", "\u1100\u1161"),
    )
)
DISGUISED = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)


def test_invisible_characters_do_not_break_up_words() -> None:
    assert normalise("cl\u200bo\u00adwn\ufeff") == "clown"


def test_line_breaks_and_wide_forms_become_plain() -> None:
    assert normalise("  Ｗｈａｔ\r\n\ta\u00a0day ") == "What a day"


def test_case_and_punctuation_stay() -> None:
    assert normalise("RESIGN, now!!") == "RESIGN, now!!"


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("you f**king id**t", "you fucking idiot"),
        ("F*** off, F**K IT", "Fuck off, FUCK IT"),
        ("what a m***n", "what a moron"),
        ("utter sh#t and cr@p", "utter shit and crap"),
        ("f--k this s..t", "fuck this shit"),
        ("you i d i o t!", "you idiot!"),
        ("what a m o r o n", "what a moron"),
        ("y o u i d i o t", "you idiot"),
        ("a s t u p i d m o r o n", "a stupid moron"),
        ("an i.d.i.o.t.", "an idiot."),
        ("1d10t, a$$hole, b!tch, 5tup1d", "idiot, asshole, bitch, stupid"),
        ("p4th3t1c w0m3n", "pathetic women"),
        ("stuuupid idiooot", "stupid idiot"),
        ("sooo gooood", "so good"),
        ("mоrоn", "moron"),  # Cyrillic о
        ("ｉｄｉｏｔ", "idiot"),
        ("i\u0336d\u0336i\u0336o\u0336t", "idiot"),
        ("id<b></b>iot", "idiot"),
        ("<p>An &#105;diot &amp; a <em>clown</em></p>", "An idiot & a clown"),
        ("a **moron**, an idoit", "a moron, an idiot"),
        ("ignroant, Hypcorites, so DISGUTSING and dmub", "ignorant, Hypocrites, so DISGUSTING and dumb"),
        (
            "I recieved wierdly self-rigtheous answers, thier best",
            "I received weirdly self-righteous answers, their best",
        ),
    ],
)
def test_disguises_are_undone(disguised: str, plain: str) -> None:
    assert normalise(disguised) == plain


@pytest.mark.parametrize(
    "text",
    [
        "The U.S.A. and N.A.T.O. met in 2019, e.g. about COVID19 and the G20.",
        "H1N1, MP3, 4chan, 401k, 7pm, 3rd, 5G, B2B, CO2, $5k, 24/7, 50-50.",
        "Write to john@example.org or @editor, or read https://example.org/a_b-c?d=3!",
        "*Emphasis* and footnotes* stay, so does a well-known re-run of a_variable.",
        "If x < y and y > z, then AT&T, R&D; III, www, AAA.",
        "Scunthorpe, assassin, cockpit, shitake, Penistone, Essex, class, Hancock, analysis.",
        "Привет, мир. 你好。 Ça va, naïve café? Ελλάδα.",
        "I too will see the committee's balloon again on Tuesday: a good, cool afternoon.",
        "Sure. 😂😂 🤡",
        "Jhon, Mr Malis of Moines, Cnut, Ms Paik and POTUS isnt there: theres kilometers to go to the theaters.",
        "Footnotes: president*, billion$$, tags#Fair, 2*x*y, A*B*C, C#, b*ch, f*ing, c*****t, pa*s*w*rd, f*name*l.",
        "Read example.com/recieved, @recieved or recieved.html; #beleive.",
        "Queres comer algo antes? Meu caro amigo, eu gostaria de ver esses pedidos.",
    ],
)
def test_plain_texts_stay(text: str) -> None:
    assert normalise(text) == text


@given(st.text() | DISGUISED)
def test_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()


@given(st.text() | DISGUISED)
def test_visible_is_what_normal_form_leaves(text: str) -> None:
    assert visible(text) == bool(normalise(text))


@given(st.text() | DISGUISED)
def test_aligned_is_the_normal_form_with_places(text: str) -> None:
    normal, places = aligned(text)
    assert normal == normalise(text)
    assert len(places) == len(normal)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert places == sorted(places)


def test_a_span_of_the_normal_form_is_found_in_the_text() -> None:
    text = "Oh,  you \u200bi d i o t, <b>f**k</b> off"
    normal, places = aligned(text)
    assert normal == "Oh, you idiot, fuck off"

    def original(part: str) -> str:
        start = normal.index(part)
        return text[places[start][0] : places[start + len(part) - 1][1]]

    assert original("idiot") == "i d i o t"
    assert original("fuck") == "f**k"
    assert original("off") == "off"
    assert original("you") == "you"


def test_hostile_markup_takes_no_quadratic_time() -> None:
    for text in (
        "&" + "amp;" * 20_000,
        "<" * 50_000,
        "a*" * 20_000,
        "s*ct*r " * 5_000,
        "a " * 20_000,
        "<b " * 20_000,
        "**" * 20_000,
        "f u c k " * 5_000,
        "abcdefghijklmnopqrstuvwxyz" * 2_000,
    ):
        normalise(text)
