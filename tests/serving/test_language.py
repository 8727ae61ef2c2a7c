from __future__ import annotations

import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.language import MOST, Language, detect, load, supported

SENTENCES = tomllib.loads((Path(__file__).parents[2] / "benchmarks" / "languages.toml").read_text(encoding="utf-8"))
LONG = [(code, text) for code, texts in SENTENCES.items() for text in texts[8:]]


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    load()


def best(text: str) -> str | None:
    found = detect(text)
    return found[0].code if found else None


@pytest.mark.parametrize(
    "text",
    [
        "yo hamburger",
        "lol",
        "ok",
        "K",
        "Brexit means Brexit",
        "Trudeau is a joke",
        "Justin Trudeau",
        "Vladimir Putin",
        "Angela Merkel",
        "NO WAY",
        "WAKE UP SHEEPLE",
        "sooooo true",
        "LMAOOOOO",
        "nooooooooo",
        "hahahaha",
        "haha yes",
        "smh",
        "u mad bro?",
        "ur dumb af",
        "Ok boomer",
        "Bravo!",
        "naïve café owners",
        "C'mon, man",
        "wtf",
        "Merry Xmas y'all",
        "gonna wanna gotta",
    ],
)
def test_short_english_is_english(text: str) -> None:
    assert best(text) == "en"


def test_sentences_in_other_languages_are_not_english() -> None:
    missed = [text for _, text in LONG if best(text) in {None, "en"}]
    assert len(missed) <= 1, missed  # measured: one in Hindi in Latin letters


def test_nearly_every_sentence_gets_its_right_name() -> None:
    wrong = [(code, best(text), text) for code, text in LONG if best(text) != code]
    assert len(wrong) <= len(LONG) // 20, wrong


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ru", "Спасибо"),
        ("ar", "شكرا"),
        ("hi", "धन्यवाद"),
        ("zh", "谢谢"),
        ("ja", "ありがとう"),
        ("ja", "賛成です"),
        ("ko", "네"),
        ("el", "ναι"),
        ("he", "תודה"),
        ("th", "ขอบคุณ"),
        ("ka", "დიახ"),
    ],
)
def test_one_word_in_another_script_is_enough(code: str, text: str) -> None:
    assert best(text) == code


def test_hindi_in_latin_letters_is_named_with_its_script() -> None:
    assert best("Yeh sach nahi hai bhai") == "hi-Latn"
    assert best("I had a roti, bhai") == "en"


@pytest.mark.parametrize(
    "text", ["", " ", "123", "10/10", "👍👍", "!!!", "...", "\u200b", "https://example.org/das/ist", "@hans"]
)
def test_nothing_to_tell_gives_nothing(text: str) -> None:
    assert detect(text) == []


def test_addresses_mentions_and_emoji_do_not_count() -> None:
    plain = detect("This road is a disgrace")
    assert detect("@wirklich_nicht This road is a disgrace 😡 https://beispiel.example/das-ist-nicht-wahr") == plain
    assert detect("This road is a disgrace www.verkehrsministerium.example") == plain


def test_most_of_the_letters_decide_the_script() -> None:
    assert best("My grandmother's борщ was better than this") == "en"
    assert best("Это просто lol") == "ru"
    assert best("這個 iPhone 真的很貴") == "zh"


def test_an_unknown_script_is_not_guessed() -> None:
    assert detect("ᏣᎳᎩ") == []


@pytest.mark.parametrize("code", ["en", "EN", "en-GB", "en_US", "en-Latn"])
def test_english_is_supported_in_any_spelling(code: str) -> None:
    assert supported(code)


@pytest.mark.parametrize("code", ["de", "hi-Latn", "eng", "enm", "", "e", "und"])
def test_nothing_else_is_supported(code: str) -> None:
    assert not supported(code)


def check(found: list[Language]) -> None:
    chances = [language.probability for language in found]
    assert chances == sorted(chances, reverse=True)
    assert all(0 <= chance <= 1 for chance in chances)
    assert sum(chances) <= 1 + 1e-6
    assert len(found) <= MOST
    assert len({language.code for language in found}) == len(found)


@settings(deadline=None)
@given(st.text())
def test_any_text_gets_sorted_probabilities(text: str) -> None:
    check(detect(text))


@settings(deadline=None)
@given(st.text(st.characters(codec=None, categories=["Cs", "Lo", "Ll", "Mn", "Cf", "Zs"])))
def test_odd_characters_and_lone_surrogates_are_no_error(text: str) -> None:
    check(detect(text))


@settings(deadline=None)
@given(st.text(st.sampled_from("aehloxj @.-_:/w1üж水"), max_size=400))
def test_noise_is_no_error(text: str) -> None:
    check(detect(text))


@pytest.mark.parametrize("unit", ["word ", "a.", "a-", "a@", "ha", "x", "я ", "水", "ﷺ", "1a", "http://", "é\u0301"])
def test_a_long_text_costs_no_more_than_a_bounded_piece(unit: str) -> None:
    text = (unit * 20_000)[:20_000]
    times = []
    for _ in range(5):
        began = time.process_time()
        detect(text)
        times.append(time.process_time() - began)
    assert min(times) < 0.05  # seconds; measured below 0.003, quadratic expressions took 0.17


def test_only_the_start_of_a_long_text_is_looked_at() -> None:
    start = "The council has promised to mend this road for ten years and nothing at all has happened. " * 20
    assert detect(start + "Правительство обещает " * 500) == detect(start)


def test_threads_get_the_same_answers() -> None:
    texts = [text for _, text in LONG]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detect, texts)) == [detect(text) for text in texts]
