"""Copies of training rows that teach what their labels do not depend on.

- Disguised: suspicious words (training/suspects.py) or others are masked, misspelt or written in digits, or emoji stand
  between words; the copy keeps its labels.
- Joined: comments of one source one after the other, at most one of them toxic: what is harmful in a part is harmful in
  the whole. An attribute that belongs to a text as a whole stays unknown.
- Swapped: groups of people are exchanged for others of their kind (labels/identities.py), and the labels stay
  (counterfactual augmentation: Garg et al. 2019, AIES).

Copies depend on the row and the seed only. They are made of training rows alone and never of those held out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from labels import identities, taxonomy
from serving.text import normalise
from training import suspects
from training.corpus import Corpus
from training.perturbations import TEXTS, WORD, Span, disguise
from training.recipe import Augment
from training.splits import uniform

GUIDE = "toxicity"  # the attribute that tells what is harmful
DISGUISES = ("masked words", "masked words", "swapped letters", "swapped letters", "leetspeak", "letters apart")
JOINED = "joined"  # ends the key of a copy that is made of several rows
EMOJI = "emoji between words"
CHANCE_OTHER = 0.3  # share of disguised copies whose words are any, so that a disguise alone tells nothing
JOINED_CHARACTERS = 700  # a joined comment stays within a window of the model

Copy = tuple[str, np.ndarray]


def augment(rows: Corpus, attributes: tuple[str, ...], choice: Augment, seed: int) -> Corpus:
    """The copies that a recipe asks for, as rows of the sources that they are made of; keys end in the kind.

    Fewer than asked for where the rows do not give so many. Labels [rows, attributes] as in `rows`.
    """
    kinds: list[tuple[str, int, Callable[[int], Iterator[tuple[int, Copy]]]]] = [
        ("disguised", choice.disguised, lambda most: _disguised(rows, attributes, most, seed)),
        (JOINED, choice.joined, lambda most: _joined(rows, attributes, most, seed)),
        ("swapped", choice.swapped, lambda most: _swapped(rows, most, seed)),
    ]
    found = [(kind, number, copy) for kind, most, make in kinds if most for number, copy in make(most)]
    index = np.array([number for _, number, _ in found], np.int64)
    of = rows.select(index)
    return Corpus(
        [f"{key}:{kind}" for key, (kind, _, _) in zip(of.keys, found, strict=True)],
        of.sources,
        [text for _, _, (text, _) in found],
        np.zeros(len(found), np.bool_),
        np.stack([labels for _, _, (_, labels) in found]) if found else of.labels,
        of.weights,
    )


def _order(rows: Corpus, numbers: Sequence[int], what: str, seed: int) -> list[int]:
    """Row numbers in an order of their own."""
    return sorted(numbers, key=lambda number: uniform(f"{what} {rows.keys[number]}", seed))


def _disguised(rows: Corpus, attributes: tuple[str, ...], most: int, seed: int) -> Iterator[tuple[int, Copy]]:
    """Half of them toxic, as far as there are so many."""
    guide = rows.labels[:, attributes.index(GUIDE)]
    known = np.flatnonzero(~np.isnan(guide))
    weights = suspects.heaviest(suspects.weigh([rows.texts[i] for i in known], guide[known] >= 0.5, seed))
    for toxic in (True, False):
        left = most // 2
        for number in _order(rows, np.flatnonzero(guide >= 0.5 if toxic else guide < 0.5).tolist(), "disguised", seed):
            text = _dressed(rows.texts[number], weights, random.Random(f"{seed} {rows.keys[number]}"))
            if left and text != rows.texts[number]:
                left -= 1
                yield number, (text, rows.labels[number])
            elif not left:
                break


def _dressed(text: str, weights: dict[str, float], chance: random.Random) -> str:
    """The normal form of the text in a disguise: the text itself where that undoes all of it."""
    if chance.random() < 0.2:
        return normalise(TEXTS[EMOJI](text))
    spans: list[Span] = [] if chance.random() < CHANCE_OTHER else suspects.places(text, weights)
    if not spans:
        words = [m.span() for m in WORD.finditer(text) if m.end() - m.start() > 3]
        spans = chance.sample(words, min(len(words), chance.randint(1, 3)))
    return normalise(disguise(text, chance.choice(DISGUISES), spans))


def _joined(rows: Corpus, attributes: tuple[str, ...], most: int, seed: int) -> Iterator[tuple[int, Copy]]:
    """Every second one with a toxic comment in it; the source is the largest that labels toxicity."""
    column = attributes.index(GUIDE)
    guide = rows.labels[:, column]
    named = [name for name, label in zip(rows.sources, guide, strict=True) if not np.isnan(label)]
    source = max(sorted(set(named)), key=named.count)
    mine = np.array([name == source for name in rows.sources])
    harmful = _order(rows, np.flatnonzero(mine & (guide >= 0.5)).tolist(), "joined", seed)
    calm = _order(rows, np.flatnonzero(mine & (guide < 0.5)).tolist(), "joined", seed)
    highest = np.array([taxonomy.load()[name].combine == "max" for name in attributes])
    chance = random.Random(f"joined {seed}")
    upcoming = iter(calm)
    for turn in range(most):
        first = harmful[turn // 2] if turn % 2 and turn // 2 < len(harmful) else next(upcoming, None)
        if first is None:
            return
        parts, size = [first], len(rows.texts[first])
        while (more := next(upcoming, None)) is not None and size + len(rows.texts[more]) < JOINED_CHARACTERS:
            parts.append(more)
            size += len(rows.texts[more])
        chance.shuffle(parts)
        labels = np.where(highest, rows.labels[parts].max(axis=0), np.nan).astype(np.float32)
        yield first, (" ".join(rows.texts[part] for part in parts), labels)


def _swapped(rows: Corpus, most: int, seed: int) -> Iterator[tuple[int, Copy]]:
    for number in _order(rows, range(len(rows)), "swapped", seed):
        text = identities.swapped(rows.texts[number], random.Random(f"{seed} {rows.keys[number]}"))
        if text != rows.texts[number]:
            yield number, (text, rows.labels[number])
            most -= 1
        if not most:
            return
