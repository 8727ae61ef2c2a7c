from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from serving.scorer import Scorer
from training import scoring
from training.scoring import Kept

TEXTS = ["What a day.", "You absolute clown.", "What a day."]


def test_each_text_is_scored_once(scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = scoring.logits

    def watched(one: Scorer, texts: list[str], what: str) -> object:
        asked.extend(texts)
        return plain(one, texts, what)

    monkeypatch.setattr(scoring, "logits", watched)
    kept = Kept(scorer, tmp_path)
    first = kept.logits(TEXTS, "")
    assert asked == TEXTS[:2]
    # Another process, the same texts disguised, and a new one.
    again = Kept(scorer, tmp_path).logits(["You  absolute cl\u200bown.", "New."], "")
    assert asked == [*TEXTS[:2], "New."]
    assert np.array_equal(again[0], first[1])
    assert np.allclose(first, scorer.logits(TEXTS), atol=1e-4)
    assert np.allclose(kept.scores(TEXTS, ""), scorer.calibrate(first))


def test_two_processes_keep_what_both_have_scored(scorer: Scorer, tmp_path: Path) -> None:
    one, other = Kept(scorer, tmp_path), Kept(scorer, tmp_path)
    one.logits(["One."], "")
    other.logits(["Two."], "")
    (file,) = tmp_path.glob("texts-*.npz")
    assert np.load(file)["keys"].shape == (2, 16)


def test_no_texts_have_no_logits(scorer: Scorer, tmp_path: Path) -> None:
    assert Kept(scorer, tmp_path).logits([], "").shape == (0, len(scorer.attributes))
    assert not list(tmp_path.iterdir())
