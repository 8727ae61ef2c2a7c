"""The words of a comment that a word model finds most toxic: what somebody who wants to get past a filter disguises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from training.perturbations import WORD, Span

SUSPECTS, HEAVIEST = 3, 1000


def weigh(texts: Sequence[str], toxic: npt.NDArray[np.bool_], seed: int) -> dict[str, float]:
    """Word in lower case -> its weight in a logistic regression of `toxic` [texts] on which words a text has."""
    vectors = CountVectorizer(binary=True, min_df=5, max_features=30_000, token_pattern=WORD.pattern)
    counts = vectors.fit_transform(texts)
    model = LogisticRegression(C=0.3, solver="liblinear", random_state=seed)
    model.fit(counts, toxic)
    return {word: float(model.coef_[0, place]) for word, place in vectors.vocabulary_.items()}


def heaviest(weights: Mapping[str, float]) -> dict[str, float]:
    """The HEAVIEST words with their weights."""
    return dict(sorted(weights.items(), key=lambda pair: -pair[1])[:HEAVIEST])


def places(text: str, weights: Mapping[str, float]) -> list[Span]:
    """Places of the SUSPECTS words of a text that weigh most, of those that have a weight."""
    found = [(weights[m[0].lower()], m.span()) for m in WORD.finditer(text) if m[0].lower() in weights]
    return [span for _, span in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:SUSPECTS]]
