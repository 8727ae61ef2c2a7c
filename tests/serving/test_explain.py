from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from serving.explain import PARTS, occlude, without, words
from serving.scorer import Scorer, ScoringError

RUDE = "The bridge is late again, and you are a pathetic moron if you believe them."
CALM = "The council will publish the timetable in June and invites comments until the end of the month. "


def named(text: str, scorer: Scorer, attribute: str = "incivility", most: int = 64) -> dict[str, float]:
    reasons = occlude(scorer, text, attribute, most)
    return {text[reason.start : reason.end]: reason.contribution for reason in reasons}


def test_the_insult_is_the_reason(scorer: Scorer) -> None:
    found = named(RUDE, scorer)
    assert max(found, key=lambda word: found[word]) in {"pathetic", "moron"}
    assert found["moron"] > found["bridge"] + 0.05
    assert list(found) == list(dict.fromkeys(RUDE.replace(",", "").replace(".", "").split()))


def test_contribution_is_the_fall_of_the_score(scorer: Scorer) -> None:
    whole, less = (scores["insult"] for scores in scorer.score([RUDE, RUDE.replace("moron", "")]))
    assert named(RUDE, scorer, "insult")["moron"] == pytest.approx(whole - less, abs=0.01)


def test_the_worst_part_of_a_long_text_is_explained(scorer: Scorer) -> None:
    text = CALM * 20 + RUDE + " " + CALM * 20
    reasons = occlude(scorer, text, "incivility", most=32)
    assert len(reasons) == 32
    best = max(reasons, key=lambda reason: reason.contribution)
    assert text[best.start : best.end] in {"pathetic", "moron"}


def test_work_is_bounded(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    plain = scorer.logits

    def counted(texts: Sequence[str]) -> Any:
        scored.append(len(texts))
        return plain(texts)

    monkeypatch.setattr(scorer, "logits", counted)
    occlude(scorer, "word " * 3000, "toxicity", most=8)
    assert sum(scored) <= PARTS + 8 + 1


def test_a_single_word_carries_the_whole_score(scorer: Scorer) -> None:
    (scores,) = scorer.score(["Moron!"])
    assert named("Moron!", scorer)["Moron"] == pytest.approx(scores["incivility"], abs=1e-3)


def test_disguised_words_go_as_one() -> None:
    text = "f**k it, you'll see: well-known"
    assert [text[a:b] for a, b in words(text)] == ["f**k", "it", "you'll", "see", "well-known"]
    assert without(text, words(text)[:2]) == " , you'll see: well-known"


def test_what_cannot_be_explained(scorer: Scorer) -> None:
    assert occlude(scorer, "?!", "toxicity") == []
    with pytest.raises(ValueError, match="no attribute is called 'rudeness'; there are incivility"):
        occlude(scorer, RUDE, "rudeness")
    with pytest.raises(ValueError, match="expected 1 or more words, found 0"):
        occlude(scorer, RUDE, "toxicity", most=0)
    with pytest.raises(ScoringError):
        occlude(scorer, " ", "toxicity")
