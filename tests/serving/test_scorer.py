from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels import taxonomy
from serving.scorer import Scorer, ScoringError
from serving.windows import DISCOUNT

# Activations have fixed scales; only the order of floating-point sums depends on the batch, and at worst
# moves a value to the next integer.
BATCH_MEAN, BATCH_MOST = 0.0005, 0.01
# Against the torch network: the shipped int8 model through the scorer.
TORCH_MEAN, TORCH_MOST = 0.005, 0.12

EVALUATION = Path(__file__).parents[2] / "docs" / "evaluation" / "evaluation.json"

RUDE = "You are a pathetic little moron and everybody here is sick of your drivel."
THOUGHTFUL = (
    "Our practice tried this for two years. Referrals fell by a fifth, but the clinic needed a full-time "
    "administrator, which the scheme does not fund. A shared post between three practices would fix that."
)


def examples() -> list[str]:
    return [text for a in taxonomy.load().attributes for text in (*a.present, *a.absent)]


def array(scorer: Scorer, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([tuple(scores.values()) for scores in scorer.score(texts)])


def test_rude_and_thoughtful_comments_come_apart(scorer: Scorer) -> None:
    rude, thoughtful = scorer.score([RUDE, THOUGHTFUL])
    assert rude["incivility"] > 0.5 > thoughtful["incivility"]
    assert rude["report_worthy"] > thoughtful["report_worthy"]
    assert thoughtful["constructive"] > rude["constructive"] + 0.3


def test_one_text_or_many_give_a_list_in_order(scorer: Scorer) -> None:
    assert scorer.score([]) == []
    assert len(scorer.score([RUDE])) == 1
    texts = [THOUGHTFUL, RUDE, THOUGHTFUL, "Fine.", RUDE]
    incivility = [scores["incivility"] for scores in scorer.score(texts)]
    assert [value > 0.5 for value in incivility] == [False, True, False, False, True]


def test_scores_are_a_mapping_of_every_attribute_in_taxonomy_order(scorer: Scorer) -> None:
    (scores,) = scorer.score([RUDE])
    assert tuple(scores) == scorer.attributes == taxonomy.load().names
    assert all(0 <= value <= 1 for value in scores.values())
    with pytest.raises(KeyError):
        scores["no_such_attribute"]


def test_batched_equals_single(scorer: Scorer) -> None:
    texts = examples()
    gap = np.abs(array(scorer, texts) - np.concatenate([array(scorer, [text]) for text in texts]))
    assert gap.mean() < BATCH_MEAN
    assert gap.max() < BATCH_MOST


def test_int8_equals_the_torch_network(scorer: Scorer) -> None:
    torch = json.loads(EVALUATION.read_text(encoding="utf-8"))["examples"]["torch"]
    assert torch["texts"] == examples()
    gap = np.abs(array(scorer, examples()) - np.array(torch["scores"]))
    assert gap.mean() < TORCH_MEAN
    assert gap.max() < TORCH_MOST


def test_a_long_text_is_read_to_its_end(scorer: Scorer) -> None:
    calm = " ".join([THOUGHTFUL] * 15)
    assert len(calm.split()) > 2 * scorer.manifest.token_limit
    before, after = scorer.score([calm, f"{calm} {RUDE}"])
    assert before["incivility"] < 0.5
    assert after["incivility"] > before["incivility"] + 0.2


def test_a_bad_sentence_in_a_long_text_counts_by_itself(scorer: Scorer) -> None:
    calm = " ".join([THOUGHTFUL] * 4)
    within, alone = scorer.logits([f"{calm} {RUDE} {calm}", RUDE])
    for name in ("toxicity", "insult"):
        column = scorer.attributes.index(name)
        assert within[column] > alone[column] - DISCOUNT - 0.1


def test_what_cannot_be_seen_does_not_change_a_score(scorer: Scorer) -> None:
    plain, hidden = scorer.score([RUDE]), scorer.score([RUDE.replace("moron", "mo\u200bron")])
    assert plain == hidden


@pytest.mark.parametrize("bad", ["", "  \n", "\u200b\ufeff", None, 7, b"bytes"])
def test_a_text_without_content_is_an_error_that_names_its_place(scorer: Scorer, bad: Any) -> None:
    with pytest.raises(ScoringError, match="text 2: expected") as caught:
        scorer.score(["Fine.", "Also fine.", bad])
    assert caught.value.index == 2


def test_a_bare_string_is_refused(scorer: Scorer) -> None:
    with pytest.raises(TypeError, match=r"pass \[text\]"):
        scorer.score("one text")


@settings(deadline=None, max_examples=40)
@given(text=st.text(min_size=1, max_size=300))
def test_any_text_has_scores_or_is_a_scoring_error(scorer: Scorer, text: str) -> None:
    try:
        (scores,) = scorer.score([text])
    except ScoringError:
        return
    assert all(0 <= value <= 1 for value in scores.values())
