from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.artifact import MANIFEST, Artifact, ArtifactError
from serving.scorer import Scorer, ScoringError
from serving.spans import NoSpansError, Tokens, ToxicSpan, joined, utf16
from serving.text import normalise
from tests.heads import marked, shipped, with_head

CALM = "The council will publish the timetable in June and invites comments until the end of the month. "


def made(text: str, *pieces: tuple[str, int, float]) -> tuple[Tokens, np.ndarray[Any, np.dtype[np.float32]]]:
    """Tokens of a text, each a piece of it with the number of its word and its probability."""
    places, end = [], 0
    for piece, _, _ in pieces:
        start = text.index(piece, end)
        end = start + len(piece)
        places.append((start, end))
    tokens = Tokens(
        tuple(places),
        tuple(word for _, word, _ in pieces),
        tuple(piece in ",.!-" for piece, _, _ in pieces),
        np.zeros(len(pieces), np.float32),
    )
    return tokens, np.array([value for _, _, value in pieces], np.float32)


def parts(text: str, *pieces: tuple[str, int, float], threshold: float = 0.5) -> list[str]:
    return [text[span.start : span.end] for span in joined(text, *made(text, *pieces), threshold)]


def test_a_word_is_marked_whole() -> None:
    assert parts("a moron", ("a", 0, 0.1), ("mor", 1, 0.2), ("on", 1, 0.5)) == ["moron"]
    assert parts("a moron", ("a", 0, 0.1), ("mor", 1, 0.2), ("on", 1, 0.49)) == []


def test_what_white_space_and_punctuation_separate_is_one_span() -> None:
    text = "Idiot, moron!  and clown"
    pieces = [("Idiot", 0, 0.9), (",", 1, 0.1), ("moron", 2, 0.7), ("!", 3, 0.1)]
    assert parts(text, *pieces, ("and", 4, 0.1), ("clown", 5, 0.8)) == ["Idiot, moron", "clown"]
    assert parts(text, *pieces, ("and", 4, 0.6), ("clown", 5, 0.8)) == [text]


def test_a_span_has_the_highest_probability_of_its_tokens() -> None:
    tokens, probabilities = made("vile scum", ("vile", 0, 0.6), ("sc", 1, 0.2), ("um", 1, 0.9))
    assert joined("vile scum", tokens, probabilities, 0.5) == [ToxicSpan(0, 9, float(np.float32(0.9)))]


def test_words_from_one_character_do_not_overlap() -> None:
    tokens = Tokens(((0, 1), (0, 1), (0, 1)), (0, 1, 2), (False, False, False), np.zeros(3, np.float32))
    found = joined("\ufdfa", tokens, np.array([0.9, 0.1, 0.8], np.float32), 0.5)
    assert found == [ToxicSpan(0, 1, float(np.float32(0.9)))]


def test_a_span_has_no_white_space_at_its_ends() -> None:
    tokens = Tokens(((0, 3), (3, 7), (7, 9)), (0, 1, 2), (False,) * 3, np.zeros(3, np.float32))
    found = joined("on  mor  ", tokens, np.array([0.1, 0.9, 0.8], np.float32), 0.5)
    assert [(span.start, span.end) for span in found] == [(4, 7)]


def test_rude_words_are_marked_where_they_stand(scorer: Scorer) -> None:
    texts = ["You are a moron.", CALM, "🤡🤡 moron 🤡 idiot", "Idiot, moron; the idiot"]
    assert marked(scorer, texts) == [["moron"], [], ["moron", "idiot"], ["Idiot, moron", "idiot"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a st*pid rule", ["st*pid"]),
        ("you mo\u200bron, you", ["mo\u200bron"]),
        ("🤡 a s t u p i d rule", ["s t u p i d"]),
        ("<p>you <b>mor</b>on</p>", ["mor</b>on"]),
        ("what an 𝖎𝖉𝖎𝖔𝖙 he is", ["𝖎𝖉𝖎𝖔𝖙"]),
        ("é\u0301 ½: the ﬁrst man is an 1d10t \ud83e, he says", ["1d10t"]),
    ],
)
def test_disguised_words_are_marked_as_they_were_written(scorer: Scorer, text: str, words: list[str]) -> None:
    assert marked(scorer, [text]) == [words]


def test_long_texts_are_marked_to_their_end_and_order_is_kept(scorer: Scorer) -> None:
    long = f"You moron! {CALM * 20}You are an idiot. {CALM * 20}🤡 What a clown"
    assert len(scorer.token_ids(long)) > 3 * scorer.manifest.token_limit
    texts = ["scum", long, CALM, long + "s", "Fine."]
    found = marked(scorer, texts)
    assert found == [["scum"], ["moron", "idiot", "clown"], [], ["moron", "idiot", "clowns"], []]


def test_of_two_windows_a_token_has_the_higher_logit(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CALM * 20
    windows: list[Sequence[int]] = []
    plain = scorer._outputs

    def numbered(asked: Sequence[Sequence[int]], output: str) -> Any:
        windows.extend(asked)
        width = max(map(len, asked)) + 2
        # Row n says n everywhere but for the special tokens and the padding, which count for nothing.
        for number, window in enumerate(asked):
            row = np.full(width, 99, np.float32)
            row[1 : len(window) + 1] = number
            yield [number], row[None]

    monkeypatch.setattr(scorer, "_outputs", numbered)
    (tokens,) = scorer.tokens([text])
    monkeypatch.setattr(scorer, "_outputs", plain)
    limit, overlap = scorer.manifest.token_limit - 2, scorer.manifest.window_overlap
    assert len(windows) > 2
    assert tokens.logits.max() == len(windows) - 1
    assert list(tokens.logits) == sorted(tokens.logits)
    assert (tokens.logits == 0).sum() == limit - overlap
    assert len(tokens.logits) == len(scorer.token_ids(text)) - 2


def test_scores_are_those_of_the_model_without_the_head(
    scorer: Scorer, markless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["You are a moron.", CALM * 30, "Fine."]
    asked: list[list[str]] = []

    class Session:
        def run(self, outputs: list[str], inputs: Any) -> Any:
            asked.append(outputs)
            return session.run(outputs, inputs)

    session = scorer._session
    monkeypatch.setattr(scorer, "_session", Session())
    assert scorer.score(texts) == Scorer.load(markless).score(texts)
    assert all(outputs == ["logits"] for outputs in asked)
    asked.clear()
    scorer.spans(texts)
    assert all(outputs == ["token_logits"] for outputs in asked)


@pytest.mark.parametrize("bad", ["", " \n", "\u200b", None, 7])
def test_a_text_without_content_is_an_error_that_names_its_place(scorer: Scorer, bad: Any) -> None:
    with pytest.raises(ScoringError, match="text 1: expected"):
        scorer.spans(["Fine.", bad])


def test_a_bare_string_is_refused_and_no_text_is_no_answer(scorer: Scorer) -> None:
    with pytest.raises(TypeError, match=r"pass \[text\]"):
        scorer.spans("moron")
    assert scorer.spans([]) == []


def test_the_tokenizer_may_find_nothing(scorer: Scorer) -> None:
    assert normalise("\ufffd")
    assert scorer.spans(["\ufffd", "moron", "\ufffd"]) == [[], scorer.spans(["moron"])[0], []]


def test_a_model_without_the_head_says_so(markless: Path) -> None:
    scorer = Scorer.load(markless)
    for ask in (scorer.spans, scorer.tokens):
        with pytest.raises(NoSpansError, match=r"evenhand-minilm .* has no head that marks words"):
            ask(["moron"])
    with pytest.raises(NoSpansError):
        scorer.probabilities(np.zeros(1, np.float32))


def test_the_calibration_decides(scorer: Scorer, tmp_path: Path) -> None:
    text = "You are a moron."
    ((span,),) = scorer.spans([text])
    head = shipped()
    assert head.threshold <= span.score <= 1
    path = with_head(tmp_path, head.model_copy(update={"threshold": 1.0}))
    assert Scorer.load(path).spans([text]) == [[]]
    lowered = head.model_copy(update={"intercept": head.intercept - 0.5})
    changed = Artifact.load(path).manifest.model_copy(update={"spans": lowered})
    (path / MANIFEST).write_text(changed.model_dump_json())
    ((lower,),) = Scorer.load(path).spans([text])
    assert lower.score < span.score


@pytest.mark.parametrize(
    ("table", "output", "message"),
    [
        (False, True, "the model has the output token_logits, the manifest has no table spans"),
        (True, False, "the manifest has the table spans, the model has no output token_logits"),
    ],
)
def test_model_and_manifest_have_to_agree(tmp_path: Path, table: bool, output: bool, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        Scorer.load(with_head(tmp_path, shipped() if table else None, output))


def test_places_in_utf16() -> None:
    text = "🤡🤡 moron é idiot"
    spans = [ToxicSpan(3, 8, 1.0), ToxicSpan(11, 16, 1.0)]
    assert utf16(text, spans) == [(5, 10), (13, 18)]
    units = text.encode("utf-16-le")
    assert [units[2 * a : 2 * b].decode("utf-16-le") for a, b in utf16(text, spans)] == ["moron", "idiot"]
    assert utf16("a moron", [ToxicSpan(2, 7, 1.0)]) == [(2, 7)]


@settings(deadline=None, max_examples=60)
@given(
    text=st.lists(
        st.sampled_from(["moron", "🤡", " ", "ı̇", "½", "ﷺ", "\u0301", "\ud83e", "안녕", "f**k", "\u200b", "."])
        | st.text(max_size=8),
        min_size=1,
        max_size=20,
    ).map("".join)
)
def test_spans_lie_in_the_text_in_order(scorer: Scorer, text: str) -> None:
    try:
        spans, tokens = scorer.spans([text])[0], scorer.tokens([text])[0]
    except ScoringError:
        return
    assert len(tokens.logits) == len(tokens.places) == len(tokens.words) == len(tokens.punctuation)
    assert not np.isinf(tokens.logits).any()
    low = np.full(len(tokens.logits), 1, np.float32)
    for found in (spans, joined(text, tokens, low, 0.5)):  # with every word marked as well
        end = -1
        for span in found:
            assert end < span.start < span.end <= len(text)
            assert text[span.start : span.end].strip() == text[span.start : span.end]
            assert 0 <= span.score <= 1
            end = span.end
