from __future__ import annotations

import pytest

from serving.scorer import Scorer
from serving.text import normalise
from training.perturbations import CALM, TEXTS, WORDS, disguise, perturb

TEXT = "You are a stupid moron, honestly."
SPANS = [(10, 16), (17, 22)]


@pytest.mark.parametrize("name", WORDS)
def test_only_the_chosen_words_are_disguised_and_always_alike(name: str) -> None:
    found = disguise(TEXT, name, SPANS)
    assert found == disguise(TEXT, name, SPANS)
    assert found.startswith("You are a ")
    assert found.endswith(", honestly.")
    assert "stupid" not in found
    assert disguise(TEXT, name, []) == TEXT


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_changed_and_still_there(name: str) -> None:
    text = " ".join([TEXT] * 10)
    found = perturb(text, name, SPANS)
    assert found == perturb(text, name, SPANS) != text


@pytest.mark.parametrize("name", sorted(set(WORDS) - {"combining marks"}))
def test_the_normal_form_undoes_what_is_done_to_insults(name: str) -> None:
    assert normalise(disguise(TEXT, name, SPANS)) == TEXT


def test_calm_text_is_longer_than_a_window(scorer: Scorer) -> None:
    assert sum(len(scorer.token_ids(part)) for part in CALM) > scorer.manifest.token_limit
