from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.scorer import Scorer
from tests.training.world import World
from training import corpus, marks, record
from training.export import ARTIFACT

PLACES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda pair: (pair[0], sum(pair))), max_size=4)


@pytest.mark.parametrize(
    ("found", "marked", "expected"),
    [
        ([], [], 1.0),
        ([(0, 4)], [], 0.0),
        ([], [(0, 4)], 0.0),
        ([(0, 4)], [(0, 4)], 1.0),
        ([(0, 4)], [(4, 8)], 0.0),
        ([(0, 4)], [(2, 4)], 2 / 3),
        ([(0, 2), (2, 4)], [(0, 4)], 1.0),
    ],
)
def test_f1_of_characters(found: list[tuple[int, int]], marked: list[tuple[int, int]], expected: float) -> None:
    assert marks.f1(found, marked) == pytest.approx(expected)


@given(PLACES, PLACES)
def test_f1_is_symmetric_and_within_bounds(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    assert 0 <= marks.f1(one, other) == marks.f1(other, one) <= 1
    assert marks.f1(one, one) == 1


def test_a_word_list_holds_what_is_marked_where_it_stands() -> None:
    texts = ["the fool and the clown"] * 4 + [
        "a fool again",
        "a clown again",
        "a clown",
        "a clown",
        "a clown",
        "a clown",
    ]
    marked = [[(4, 8), (17, 22)]] * 4 + [[]] * 6
    assert marks.word_list(texts, marked) == {"fool"}


def test_a_run_learns_to_mark_the_rude_words(run: Path) -> None:
    head = Scorer.load(run / ARTIFACT).manifest.spans
    assert head is not None
    assert head.attribute == "toxicity"
    assert (head.slope, head.threshold) != (1.0, 0.5)
    assert record.read(run, "train")["results"]["copies"] == 28  # too few calm rows for ten joined ones
    marked = corpus.marks(run / "data", "test")
    rows = corpus.read(run / "data", "test", ())
    texts = dict(zip(rows.keys, rows.texts, strict=True))
    spans = Scorer.load(run / ARTIFACT).spans([texts[key] for key in marked])
    found = [
        marks.f1([(s.start, s.end) for s in mine], theirs) for mine, theirs in zip(spans, marked.values(), strict=True)
    ]
    assert len(found) > 10
    assert sum(found) / len(found) > 0.7


def test_the_measurement_stands_beside_its_rivals(world: World, run: Path, tmp_path: Path) -> None:
    marks.main(world.recipe(), run.parent, tmp_path)
    result = json.loads((tmp_path / "marks.json").read_text(encoding="utf-8"))
    assert result["f1"].keys() == {"model", "word list", "everything", "nothing"}
    assert result["f1"]["model"]["value"] > result["f1"]["everything"]["value"]
    assert result["rows"] > result["unmarked"] > 0
