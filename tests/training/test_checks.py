from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from labels import checks, taxonomy
from labels.checks import Case
from labels.sources import SOURCES
from labels.sources.reader import SourceError
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from serving.text import normalise
from tests.training.test_prepare import numbered, put, recipe, row, texts
from training import checks as runner
from training import record
from training.checks import Outcome, balanced_point, outcomes
from training.prepare import LeakError, check_leaks, held_back, prepare

SUITE = checks.load()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the script prints, and its JSON, for the model that ships."""
    path = tmp_path_factory.mktemp("checks") / "checks.json"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as output:
        patch.setenv("COLUMNS", "200")
        runner.main(None, path, 2)
    return output.getvalue(), json.loads(path.read_text(encoding="utf-8"))


def outcome(expected: checks.Expected, score: float, lower: float | None = None) -> Outcome:
    return Outcome(Case("a/1", "One.", None if lower is None else "Two.", False), expected, score, lower)


# The runner, over the model that ships: its structure, not its quality


def test_every_expectation_is_reported_once(printed: tuple[str, dict[str, Any]]) -> None:
    rows = printed[1]["functionalities"]
    known = Artifact.load().manifest.attributes
    wanted = {(f.id, a): len(f.cases) for f in SUITE.functionalities for a in f.expect if a in {h.name for h in known}}
    assert {(row["functionality"], row["attribute"]): row["cases"] for row in rows} == wanted
    assert len(rows) == len(wanted)


def test_rates_and_failures_agree(printed: tuple[str, dict[str, Any]]) -> None:
    for line in printed[1]["functionalities"]:
        rate = line["pair_accuracy"] if line["expected"] == "higher" else line["pass_at_balanced"]
        assert round(line["cases"] * (1 - rate)) == line["failed"]
        assert len(line["failures"]) == min(2, line["failed"])
        assert (line["pass_at_half"] is None) == (line["expected"] == "higher")
        for failure in line["failures"]:
            assert failure["id"].startswith(line["functionality"] + "/")
            assert ("lower" in failure) == (line["expected"] == "higher")


def test_attributes_are_balanced_where_they_say_so(printed: tuple[str, dict[str, Any]]) -> None:
    for name, item in printed[1]["attributes"].items():
        assert 0 <= item["auc"] <= 1, name
        smaller = min(item["present"], item["absent"])
        assert abs(item["present_at_balanced"] - item["absent_at_balanced"]) <= 1 / smaller, name


def test_result_names_model_and_suite(printed: tuple[str, dict[str, Any]]) -> None:
    result, artifact = printed[1], Artifact.load()
    assert result["manifest_sha256"] == sha256(artifact.path / MANIFEST)
    assert result["model"] == {"name": artifact.manifest.name, "version": artifact.manifest.version}
    assert result["suite"]["fingerprint"] == SUITE.fingerprint
    assert result["suite"]["cases"] == len(SUITE.cases)


def test_scores_do_not_depend_on_the_other_cases(printed: tuple[str, dict[str, Any]], scorer: Scorer) -> None:
    failing = [line for line in printed[1]["functionalities"] if line["failures"]]
    for line in failing[::20]:
        failure = line["failures"][0]
        assert scorer.score([failure["text"]])[0][line["attribute"]] == pytest.approx(failure["score"], abs=1e-4)


def test_tables_and_limits_are_printed(printed: tuple[str, dict[str, Any]]) -> None:
    text, result = printed
    for functionality in SUITE.functionalities:
        assert functionality.id in text
    for name in result["attributes"]:
        assert name in text
    assert f"{len(SUITE.functionalities)} functionalities, {len(SUITE.cases)} cases" in text
    for note in result["notes"]:
        assert note[:40] in text


# Its arithmetic


@pytest.mark.parametrize(
    ("one", "passes"),
    [
        (outcome("present", 0.5), True),
        (outcome("present", 0.49), False),
        (outcome("absent", 0.5), False),
        (outcome("absent", 0.49), True),
        (outcome("higher", 0.02, 0.01), True),
        (outcome("higher", 0.9, 0.9), False),
        (outcome("higher", 0.1, 0.9), False),
    ],
)
def test_case_passes_on_the_right_side(one: Outcome, passes: bool) -> None:
    assert one.passes(0.5) is passes


@pytest.mark.parametrize(
    ("present", "absent", "point"),
    [
        ([0.8, 0.9], [0.1, 0.2], 0.8),
        ([0.3, 0.6, 0.9], [0.1, 0.5, 0.7], 0.6),
        ([0.04], [0.01, 0.02, 0.03], 0.04),
    ],
)
def test_balanced_point_passes_as_many_of_both(present: list[float], absent: list[float], point: float) -> None:
    found = balanced_point(np.array(present, np.float32), np.array(absent, np.float32))
    assert found == pytest.approx(point)


def test_scores_are_read_in_the_suites_order_and_unknown_attributes_left_out() -> None:
    known = ("threat", "insult")
    scores = np.arange(2 * len(SUITE.texts), dtype=np.float32).reshape(-1, 2)
    found = outcomes(SUITE, known, scores)
    assert {name for _, name in found} == set(known)
    place = {text: number for number, text in enumerate(SUITE.texts)}
    for (_, name), items in found.items():
        for item in items:
            assert item.score == 2 * place[item.case.text] + known.index(name)
            if item.case.lower is not None:
                assert item.lower == 2 * place[item.case.lower] + known.index(name)


def test_runner_loads_the_model_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scorer: Scorer) -> None:
    few = checks.Suite(tuple(SUITE[name] for name in ("pair_spelling", "doxxing")))
    result = runner.run(few, scorer, failures=0)
    assert result["attributes"]["report_worthy"]["balanced_point"] is None
    assert result["overall"]["pass_at_balanced"] is None
    assert result["overall"]["pairs"] == len(SUITE["pair_spelling"].cases)
    assert all(row["failures"] == [] for row in result["functionalities"])
    monkeypatch.setattr(checks, "load", lambda: few)
    runner.main(Artifact.load().path, tmp_path / "few.json", 0)
    assert json.loads((tmp_path / "few.json").read_text(encoding="utf-8"))["suite"]["functionalities"] == 2


# Never trained on


def near(text: str) -> str:
    return f"{text} honestly"


def test_texts_of_the_suite_never_reach_training(tmp_path: Path) -> None:
    long = sorted(SUITE.texts, key=len)[-3:]
    pair = SUITE["pair_reasoning"].cases[0]
    template = next(case for case in SUITE.cases if case.templated)
    planted = [*pair.texts, template.text, long[0].upper(), near(long[1]), long[2].replace("e", "\u200be")]
    own = numbered(20)
    rows: list[Mapping[str, Any]] = [{"text": text, "insult": 1} for text in (*own, *planted)]
    put(tmp_path, "kaggle_insults", rows)
    results = prepare(recipe([{"name": "kaggle_insults"}]), tmp_path, tmp_path / "data")
    found = results["sources"]["kaggle_insults"]
    assert (found["rows"], found["leaked"]) == (26, 6)
    assert sorted(texts(tmp_path / "data", "train", "dev", "test")) == sorted(own)
    assert texts(tmp_path / "data", "evaluation") == []
    assert record.read(tmp_path / "data", "prepare")["results"]["checks"] == SUITE.fingerprint


def test_every_text_of_the_suite_is_held_back() -> None:
    rows = held_back(SUITE)
    assert [item.text for item in rows] == [normalise(text) for text in SUITE.texts]
    assert not any(item.labels or item.natural for item in rows)


@pytest.mark.parametrize("change", [str, str.upper, near])
def test_guard_refuses_rows_that_repeat_the_suite(change: Callable[[str], str]) -> None:
    text = max(SUITE.texts, key=len)
    with pytest.raises(LeakError, match=r"c3:7 repeats checks:\d+ of an evaluation set"):
        check_leaks([row(1, numbered(1)[0]), row(7, change(text))], held_back(SUITE), 0.8)


def test_suite_cannot_be_named_as_a_source(tmp_path: Path) -> None:
    assert "checks" not in SOURCES
    with pytest.raises(ValidationError, match="no source is called 'checks'"):
        recipe([{"name": "checks"}])
    for file in Path(checks.__file__).parent.glob("*.toml"):
        with pytest.raises(SourceError, match=r"expected one of \.parquet"):
            prepare(recipe([{"name": "publisher", "file": file}]), tmp_path, tmp_path / "data")


def test_taxonomy_and_suite_name_the_same_attributes() -> None:
    assert {name for f in SUITE.functionalities for name in f.expect} == set(taxonomy.load().names)
