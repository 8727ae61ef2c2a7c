"""Baselines trained on the same rows: text length alone, and TF-IDF with logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from training import logistic
from training.corpus import Corpus

Floats = npt.NDArray[np.float32]


def log_lengths(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Natural log of each text's number of characters."""
    return np.log([max(1, len(text)) for text in texts])


def by_length(train: Corpus, texts: Sequence[str]) -> Floats:
    """Scores [texts, attributes] of a logistic regression of each label on log length; NaN if it has none."""
    train_length, length = log_lengths(train.texts), log_lengths(texts)
    result = np.full((len(texts), train.labels.shape[1]), np.nan, np.float32)
    for column in range(train.labels.shape[1]):
        if line := logistic.fit(train_length, train.labels[:, column]):
            result[:, column] = line.predict(length)
    return result


def by_words(train: Corpus, texts: Sequence[str], seed: int) -> Floats:
    """Scores [texts, attributes] of logistic regressions on TF-IDF of words and pairs of words.

    Labels of one half or more are positive; 100,000 features, those in fewer than three texts left out
    (where there are enough texts). NaN for an attribute with one class.
    """
    rare = 3 if len(train) >= 1000 else 1
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=rare, max_features=100_000, sublinear_tf=True)
    x, unseen = vectors.fit_transform(train.texts), vectors.transform(texts)
    result = np.full((len(texts), train.labels.shape[1]), np.nan, np.float32)
    for column in range(train.labels.shape[1]):
        known = ~np.isnan(train.labels[:, column])
        truth = train.labels[known, column] >= 0.5
        if truth.any() and not truth.all():
            model = LogisticRegression(C=4.0, solver="liblinear", random_state=seed)
            model.fit(x[np.flatnonzero(known)], truth)
            result[:, column] = model.predict_proba(unseen)[:, 1]
    return result
