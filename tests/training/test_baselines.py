from __future__ import annotations

import numpy as np

from training.baselines import by_length, by_words
from training.corpus import Corpus

RUDE, LONG = 0, 1
TEXTS = ["You are a clown", "Thank you all so very much for the time that you gave us", "What a clown", "We agree"] * 5
LABELS = np.array([[1, 0, np.nan], [0, 1, np.nan], [1, 0, 1], [0, 0, np.nan]] * 5, np.float32)
TRAIN = Corpus([str(n) for n in range(20)], ["c3"] * 20, TEXTS, np.ones(20, np.bool_), LABELS, np.ones(20, np.float32))
UNSEEN = ["A clown he is", "A very kind man, and we thank him for all that he did for us in these years"]


def test_length_alone() -> None:
    found = by_length(TRAIN, UNSEEN)
    assert found.shape == (2, 3)
    assert found[0, LONG] < 0.5 < found[1, LONG]
    # One class only: it has no baseline.
    assert np.isnan(found[:, 2]).all()


def test_words() -> None:
    found = by_words(TRAIN, UNSEEN, seed=1)
    assert found[0, RUDE] > 0.5 > found[1, RUDE]
    assert np.isnan(found[:, 2]).all()
    assert (by_words(TRAIN, UNSEEN, seed=1)[:, RUDE] == found[:, RUDE]).all()
