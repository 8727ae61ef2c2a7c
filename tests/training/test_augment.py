from __future__ import annotations

import numpy as np
import pytest

from serving.text import normalise
from training import suspects
from training.augment import JOINED_CHARACTERS, augment
from training.corpus import Corpus
from training.recipe import Augment

ATTRIBUTES = ("incivility", "constructive", "toxicity")
RUDE, CALM = "What a stupid clown the mayor of this town is", "The Muslim mayor opened the library this morning"


def rows(count: int = 60) -> Corpus:
    """Every second row toxic; constructive is a matter of the whole text; a third source knows no toxicity."""
    toxic = np.arange(count) % 2 == 0
    labels = np.stack([toxic * 1.0, np.full(count, 0.5), toxic * 0.9], axis=1).astype(np.float32)
    sources = ["civil_comments" if n % 6 < 4 else "ruddit" if n % 6 == 4 else "c3" for n in range(count)]
    labels[[name == "c3" for name in sources], 2] = np.nan
    texts = [f"{RUDE if toxic[n] else CALM} {n}" for n in range(count)]
    keys = [f"{name}:{n}" for n, name in enumerate(sources)]
    return Corpus(keys, sources, texts, np.ones(count, np.bool_), labels, np.full(count, 0.5, np.float32))


def made(count: int = 60, seed: int = 7, **choice: int) -> Corpus:
    return augment(rows(count), ATTRIBUTES, Augment(**choice), seed)


def test_nothing_is_added_unless_asked_for() -> None:
    assert len(made()) == 0


@pytest.mark.parametrize("kind", ["disguised", "joined", "swapped"])
def test_copies_depend_on_rows_and_seed_only(kind: str) -> None:
    one, two = made(600, **{kind: 12}), made(600, **{kind: 12})
    assert len(one) == 12
    assert one.texts == two.texts
    assert len(set(one.keys)) == 12
    assert all(key.endswith(f":{kind}") for key in one.keys)
    assert not one.natural.any()
    assert (one.weights == 0.5).all()
    assert made(600, seed=8, **{kind: 12}).texts != one.texts


def test_a_disguise_keeps_labels_and_survives_the_normal_form() -> None:
    original = rows()
    found = made(disguised=20)
    by_key = dict(zip(original.keys, zip(original.texts, original.labels, strict=True), strict=True))
    toxic = 0
    for key, text, labels in zip(found.keys, found.texts, found.labels, strict=True):
        before, known = by_key[key.removesuffix(":disguised")]
        assert text != before
        assert normalise(text) == text
        assert np.array_equal(labels, known, equal_nan=True)
        assert not np.isnan(labels[2])
        toxic += bool(labels[2] >= 0.5)
    assert toxic == 10


def test_a_joined_text_is_as_bad_as_its_worst_part() -> None:
    found = made(600, joined=10)
    assert set(found.sources) == {"civil_comments"}
    rude = [text.count(RUDE) for text in found.texts]
    assert set(rude) == {0, 1}
    assert [labels[2] >= 0.5 for labels in found.labels] == [count == 1 for count in rude]
    assert [labels[0] >= 0.5 for labels in found.labels] == [count == 1 for count in rude]
    assert np.isnan(found.labels[:, 1]).all()
    assert all(len(text) <= JOINED_CHARACTERS + 20 for text in found.texts)
    assert any(CALM in text and RUDE in text for text in found.texts)


def test_swapped_groups_keep_labels() -> None:
    found = made(swapped=5)
    assert all("Muslim" not in text and text.startswith("The ") for text in found.texts)
    assert len(made(swapped=1000)) == 30  # all that name a group


def test_the_word_model_finds_the_rude_words() -> None:
    known = rows(200)
    weights = suspects.weigh(known.texts, known.labels[:, 0] >= 0.5, 7)
    places = suspects.places(f"{CALM}, you stupid clown", suspects.heaviest(weights))
    words = {f"{CALM}, you stupid clown"[start:end] for start, end in places}
    assert {"stupid", "clown"} <= words
