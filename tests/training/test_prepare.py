from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from labels import taxonomy
from labels.sources.reader import RowError, SourceError
from serving.text import normalise
from training import corpus, record
from training.corpus import Row
from training.prepare import LeakError, Tally, cap, check_leaks, deduplicate, moved, prepare, separate, split
from training.recipe import Recipe, SourceChoice

LONG = (
    "The council closed the library in March although nearly every person who spoke at the hearing asked it to wait "
    "for the report that it had itself ordered a year before"
)
NEAR = LONG + " again"
OTHER = "Nobody in this street was ever asked about the new bridge"
Choices = Sequence[Mapping[str, Any]]


def row(number: int, text: str, group: str | None = None, source: str = "c3", **labels: float) -> Row:
    return Row(source, number, text, labels, group, natural=True)


def recipe(sources: Choices, evaluation: Sequence[str] = (), **prepare: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "small",
            "seed": 5,
            "prepare": {"sources": list(sources), "evaluation": list(evaluation)} | prepare,
            "train": {"encoder": "none"},
            "export": {"name": "small", "version": "0", "licence": "none"},
        }
    )


def put(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(cells) + "\n" for cells in rows), encoding="utf-8")


def numbered(count: int) -> list[str]:
    """Texts that are no near copies of each other."""
    return [f"Comment {n} speaks of {n * n} and {n + 7} houses in street {3 * n}" for n in range(count)]


def texts(directory: Path, *splits: str) -> list[str]:
    found = [corpus.read(directory, name, taxonomy.load().names) for name in splits]
    return [text for part in found for text in part.texts]


def test_copies_across_sources_become_one_row_with_the_mean_of_both_labels() -> None:
    tally = Tally()
    rows = [
        row(1, LONG, source="c3", insult=0.2, constructive=1.0),
        row(2, OTHER, source="c3"),
        row(1, LONG.upper() + "!", source="wikipedia_toxic", insult=0.4),
        row(2, NEAR, source="wikipedia_toxic", toxicity=0.1),
    ]
    kept, components = deduplicate(rows, [], 0.8, tally)
    assert [item.key for item in kept] == components == ["c3:1", "c3:2"]
    assert kept[0].labels == {"insult": pytest.approx(0.3), "constructive": 1.0, "toxicity": 0.1}
    assert tally.merged == {"wikipedia_toxic": 2}


@given(st.integers(0, 2**32 - 1))
def test_near_copies_that_contradict_each_other_are_kept_in_one_split(seed: int) -> None:
    rows = [row(1, LONG, insult=0.0), row(2, OTHER, insult=0.0), row(3, NEAR, insult=1.0)]
    kept, components = deduplicate(rows, [], 0.8, Tally())
    assert [item.labels["insult"] for item in kept] == [0.0, 0.0, 1.0]
    sides = split(kept, components, [SourceChoice(name="c3", dev=0.3, test=0.3)], seed)
    (together,) = [part for part in sides.values() if kept[0] in part]
    assert kept[2] in together


def test_exact_copies_are_merged_even_if_they_contradict_each_other() -> None:
    kept, _ = deduplicate([row(1, LONG, insult=0.0), row(2, LONG, insult=1.0)], [], 0.8, Tally())
    assert [item.labels for item in kept] == [{"insult": 0.5}]


def test_of_many_copies_each_counts_alike() -> None:
    shares = [0.0, 0.3, 0.3, 1.0]
    rows = [row(n, LONG, insult=share) for n, share in enumerate(shares)]
    rows.insert(2, row(9, LONG, toxicity=0.5))
    kept, _ = deduplicate(rows, [], 0.8, Tally())
    assert [item.labels for item in kept] == [{"insult": pytest.approx(0.4), "toxicity": 0.5}]


@settings(deadline=None)
@given(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=25), st.integers(0, 2**32 - 1))
def test_rows_of_one_group_are_never_on_two_sides(groups: list[str | None], seed: int) -> None:
    rows = [row(n, text, group) for n, (text, group) in enumerate(zip(numbered(25), groups, strict=False))]
    kept, components = deduplicate(rows, [], 0.8, Tally())
    assert len(kept) == len(rows)
    sides = split(kept, components, [SourceChoice(name="c3", dev=0.3, test=0.3)], seed)
    assert sum(map(len, sides.values())) == len(rows)
    for group in {"a", "b", "c"}:
        assert sum(any(item.group == group for item in part) for part in sides.values()) <= 1


def test_a_merged_copy_ties_its_group_to_the_row_that_is_kept() -> None:
    rows = [row(1, LONG, "a"), row(2, OTHER, "b"), row(3, LONG, "b"), row(4, numbered(1)[0], "a")]
    kept, components = deduplicate(rows, [], 0.8, Tally())
    assert [item.key for item in kept] == ["c3:1", "c3:2", "c3:4"]
    assert len(set(components)) == 1


def test_caps_keep_order_and_are_nested() -> None:
    rows = [row(n, text, insult=float(n % 2)) for n, text in enumerate(numbered(60))]
    few = cap(rows, SourceChoice(name="c3", max_positives=5, max_negatives=9), seed=1)
    more = cap(rows, SourceChoice(name="c3", max_positives=12), seed=1)
    assert [sum(item.positive is side for item in few) for side in (True, False)] == [5, 9]
    assert [sum(item.positive is side for item in more) for side in (True, False)] == [12, 30]
    assert [item.row for item in more] == sorted(item.row for item in more)
    assert {item.row for item in few} <= {item.row for item in more}


def test_caps_touch_training_rows_only(tmp_path: Path) -> None:
    put(tmp_path, "kaggle_insults", [{"text": text, "insult": n % 2} for n, text in enumerate(numbered(80))])
    choice = {"name": "kaggle_insults", "dev": 0.25, "test": 0.25}
    free = prepare(recipe([choice]), tmp_path, tmp_path / "free")["sources"]["kaggle_insults"]
    capped = prepare(recipe([choice | {"max_negatives": 3}]), tmp_path, tmp_path / "capped")["sources"][
        "kaggle_insults"
    ]
    assert free["dev"] == capped["dev"] > 3
    assert free["test"] == capped["test"] > 3
    known, positive = capped["positives"]["insult"]
    assert (known - positive, positive) == (3, free["positives"]["insult"][1])
    assert capped["capped"] == free["train"] - capped["train"] > 0


def test_commercial_recipe_does_not_even_open_what_bars_commercial_use(tmp_path: Path) -> None:
    put(tmp_path, "civil_comments", [{"text": text, "toxic": 0, "is_random": 1} for text in numbered(9)])
    choices: Choices = [{"name": "civil_comments"}, {"name": "c3"}, {"name": "ucc_val"}]
    results = prepare(recipe(choices, licence="commercial"), tmp_path, tmp_path / "data")
    assert results["left_out_by_licence"] == ["c3", "ucc_val"]
    assert set(results["sources"]) == {"civil_comments"}
    with pytest.raises(SourceError, match=r"c3: no c3\{"):
        prepare(recipe(choices), tmp_path, tmp_path / "any")


def test_evaluation_texts_never_reach_training(tmp_path: Path) -> None:
    evaluation = [*numbered(30)[20:], LONG]
    disguised = [
        evaluation[0],
        evaluation[1].upper() + "!!",
        evaluation[2].replace("Comment", "Com\u200bment"),
        evaluation[3].replace("o", "\uff4f"),
        NEAR,
    ]
    own = numbered(20)
    put(tmp_path, "reddit_incivility", [{"text": text, "uncivil": 0} for text in evaluation])
    put(tmp_path, "kaggle_insults", [{"text": text, "insult": 0} for text in own + disguised])
    results = prepare(recipe([{"name": "kaggle_insults"}], ["reddit_incivility"]), tmp_path, tmp_path / "data")
    found = results["sources"]["kaggle_insults"]
    assert (found["rows"], found["leaked"]) == (25, 5)
    assert sorted(texts(tmp_path / "data", "train", "dev", "test")) == sorted(own)
    assert texts(tmp_path / "data", "evaluation") == evaluation
    assert results["sources"]["reddit_incivility"]["evaluation_only"]


@pytest.mark.parametrize("copy", [LONG, LONG.upper(), NEAR])
def test_guard_refuses_a_set_that_leaks(copy: str) -> None:
    evaluation = [row(1, OTHER, source="hatecheck"), row(8, LONG, source="hatecheck")]
    check_leaks([row(1, numbered(1)[0])], evaluation, 0.8)
    with pytest.raises(LeakError, match="c3:2 repeats hatecheck:8 of an evaluation set"):
        check_leaks([row(1, numbered(1)[0]), row(2, copy)], evaluation, 0.8)


def test_what_an_earlier_run_trained_on_is_not_held_out_later(tmp_path: Path) -> None:
    put(tmp_path, "kaggle_insults", [{"text": text, "insult": n % 2} for n, text in enumerate(numbered(60))])
    choice = {"name": "kaggle_insults", "dev": 0.25, "test": 0.25}
    first = recipe([choice])
    prepare(first, tmp_path, tmp_path / "small" / "data")

    def later(seed: int, **changes: Any) -> Recipe:
        train = {"encoder": "none", "start": "small"}
        parts = {"name": "later", "seed": seed, "train": train, "prepare": {"sources": [choice | changes]}}
        return Recipe.model_validate(first.model_dump() | parts)

    results = prepare(later(5, max_negatives=4, repeat=3), tmp_path, tmp_path / "later" / "data")
    assert results["sources"]["kaggle_insults"]["capped"] > 0
    held = texts(tmp_path / "small" / "data", "dev", "test")
    assert texts(tmp_path / "later" / "data", "dev", "test") == held
    for other in (later(6), later(5, dev=0.1), later(5, test=0.4)):
        with pytest.raises(LeakError, match="kaggle_insults:"):
            prepare(other, tmp_path, tmp_path / "later" / "data")


def test_evaluation_only_source_is_refused() -> None:
    with pytest.raises(ValidationError, match="hatecheck is for evaluation only: it can never be trained on"):
        recipe([{"name": "c3"}, {"name": "hatecheck"}])


def test_source_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="c3 is named twice"):
        recipe([{"name": "c3"}, {"name": "sbic"}, {"name": "c3"}])


def test_malformed_and_invisible_rows_are_counted_where_the_recipe_says_so(tmp_path: Path) -> None:
    rows = [{"text": text, "insult": 0} for text in (*numbered(5), "\u200b\u200b")] + [{"text": "Hello", "insult": 7}]
    put(tmp_path, "kaggle_insults", rows)
    strict, lenient = (recipe([{"name": "kaggle_insults"}], skip_malformed=skip) for skip in (False, True))
    with pytest.raises(RowError, match=r"kaggle_insults\.jsonl, row 7, column 'insult': "):
        prepare(strict, tmp_path, tmp_path / "strict")
    assert not list((tmp_path / "strict").iterdir())
    found = prepare(lenient, tmp_path, tmp_path / "lenient")["sources"]["kaggle_insults"]
    assert (found["rows"], found["empty"]) == (6, 1)
    assert found["malformed"] == {"insult: expected a number from 0 to 1, found 7": 1}


def test_unknown_labels_stay_unknown_on_disk(tmp_path: Path) -> None:
    put(tmp_path, "kaggle_insults", [{"text": text, "insult": None if n else 1} for n, text in enumerate(numbered(9))])
    prepare(recipe([{"name": "kaggle_insults", "dev": 0, "test": 0}]), tmp_path, tmp_path / "data")
    rows = corpus.read(tmp_path / "data", "train", ("insult", "toxicity"))
    assert rows.labels[0, 0] == 1.0
    assert (rows.labels[1:, 0] != rows.labels[1:, 0]).all()
    assert (rows.labels[:, 1] != rows.labels[:, 1]).all()


def test_same_inputs_give_the_same_fingerprint_and_are_prepared_once(tmp_path: Path) -> None:
    put(tmp_path, "kaggle_insults", [{"text": text, "insult": 0} for text in numbered(20)])
    put(
        tmp_path,
        "mupid",
        [{"text": f"{text} so", "impolite": 0, "intolerant": 0, "uncivil": 1} for text in numbered(9)],
    )
    choices = [{"name": "kaggle_insults"}, {"name": "mupid"}]

    def run(folder: str, choices: Choices) -> str:
        prepare(recipe(choices), tmp_path, tmp_path / folder)
        return str(record.read(tmp_path / folder, "prepare")["data_fingerprint"])

    def stamp() -> int:
        return (tmp_path / "one" / "train.parquet").stat().st_mtime_ns

    first = run("one", choices)
    assert run("two", choices) == first
    written = stamp()
    assert run("one", choices) == first
    assert stamp() == written

    run("one", choices[::-1])
    assert stamp() > written

    put(tmp_path, "kaggle_insults", [{"text": text, "insult": 1} for text in numbered(20)])
    os.utime(tmp_path / "kaggle_insults.jsonl", ns=(1, 1))
    assert run("one", choices) != first


def test_corpus_must_be_prepared_first(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run `python -m training\.prepare` with this recipe first"):
        corpus.read(tmp_path, "train", ())


def test_exported_decisions_are_prepared_with_their_weights(tmp_path: Path) -> None:
    decisions = [
        {"text": text, "decision": "rejected" if n % 3 else "accepted", "story": f"demo/{n}", "provenance": kind}
        | {"weight": {"live": 1.0, "bulk": 0.5, "appeal": 2.0}[kind], "at": "2026-11-22T08:00:00+00:00"}
        for n, (text, kind) in enumerate(zip(numbered(30), ["live", "bulk", "appeal"] * 10, strict=True))
    ]
    put(tmp_path, "labels", decisions)
    source = {"name": "publisher", "file": str(tmp_path / "labels.jsonl"), "dev": 0.2, "test": 0.2}
    prepare(recipe([source]), tmp_path, tmp_path / "data")
    weights: dict[str, float] = {}
    for name in ("train", "dev", "test"):
        part = corpus.read(tmp_path / "data", name, ("report_worthy",))
        weights |= dict(zip(part.texts, part.weights.tolist(), strict=True))
    assert weights == {one["text"]: one["weight"] for one in decisions}


@pytest.mark.parametrize(
    ("text", "marked", "clean", "expected"),
    [
        ("You  fool!", [(5, 9)], "You fool!", ["fool"]),
        ("\u200bYou f\u200bool and cl0wn", [(5, 10), (15, 20)], "You fool and clown", ["fool", "clown"]),
        ("Fine.", [], "Fine.", []),
        ("  all of it  ", [(0, 13)], "all of it", ["all of it"]),
    ],
)
def test_marks_follow_the_words_into_the_normal_form(
    text: str, marked: list[tuple[int, int]], clean: str, expected: list[str]
) -> None:
    assert normalise(text) == clean
    assert [clean[start:end] for start, end in moved(text, marked)] == expected


def test_marks_are_kept_and_an_exact_copy_brings_its_own(tmp_path: Path) -> None:
    put(tmp_path, "kaggle_insults", [{"text": text, "insult": n % 2} for n, text in enumerate(numbered(30))])
    marked = [{"text": text, "spans": "[0, 1]"} for text in [numbered(30)[3], LONG]]
    put(tmp_path, "toxic_spans_semeval", marked)
    choices = [
        {"name": "kaggle_insults", "dev": 0.0, "test": 0.0},
        {"name": "toxic_spans_semeval", "dev": 0.0, "test": 0.0},
    ]
    prepare(recipe(choices), tmp_path, tmp_path / "data")
    assert corpus.marks(tmp_path / "data", "train") == {"kaggle_insults:4": [(0, 2)], "toxic_spans_semeval:2": [(0, 2)]}
    assert corpus.marks(tmp_path / "data", "test") == {}


def test_copies_of_rows_on_an_earlier_run_s_other_side_are_left_out(tmp_path: Path) -> None:
    corpus.write(tmp_path, "train", [row(1, LONG, insult=1.0)], ("insult",))
    for name, rows in {"dev": [], "test": [row(2, OTHER, insult=0.0)], "evaluation": []}.items():
        corpus.write(tmp_path, name, rows, ("insult",))
    fresh = row(5, "A third one about the new timetable of the buses to the hospital", source="mupid")
    splits = {
        "train": [row(3, OTHER, source="mupid"), fresh],
        "dev": [row(4, NEAR, source="mupid")],
        "test": [row(1, LONG)],  # the very same row: no copy, and an error of whoever changed the seed
    }
    tally = Tally()
    separate(splits, [tmp_path], 0.8, tally)
    assert splits == {"train": [fresh], "dev": [], "test": [row(1, LONG)]}
    assert tally.leaked == {"mupid": 2}
