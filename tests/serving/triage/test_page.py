"""docs/triage.md says what the code does, and the benchmark measures what it says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.triage import FIRST, compare, interval, measure
from serving.triage import DEFAULT, Case, Report, rank
from serving.triage.bursts import COHORT, CROWD
from serving.triage.fitting import DECISIONS, EACH, REPORTS_MOST
from serving.triage.ranking import AGREEMENT, NEUTRAL, NEWCOMERS_MOST
from tests.serving.triage.making import NOW, known, reporter

PAGE = (Path(__file__).parents[3] / "docs" / "triage.md").read_text(encoding="utf-8")


def test_the_worked_example() -> None:
    new = [reporter(f"new{number}", created=NOW - timedelta(days=2)) for number in range(14)]
    filed = [Report("steady", "c", 1, "hateful", NOW - timedelta(minutes=180))]
    filed += [Report("reader", "c", 1, "other", NOW - timedelta(minutes=95))]
    filed += [Report(one.id, "c", 1, "abusive", NOW - timedelta(seconds=900 + 8 * n)) for n, one in enumerate(new)]
    scores = {"report_worthy": 0.22, "identity_attack": 0.58, "insult": 0.31, "hostile": 0.12, "severe_toxicity": 0.02}
    case = Case("c", "s", "a", scores, tuple(filed))
    (ranked,) = rank([case], known(reporter("steady", 8, 1), reporter("reader"), *new), NOW)
    lines, total = ranked.rounded()
    shown = [(line.words, f"{line.contribution:+.2f}") for line in lines] + [("sum", f"{total:+.2f}")]
    assert re.findall(r"^\| (.+) \| ([+-]\d\.\d\d) \|$", PAGE, re.MULTILINE) == shown
    assert f"P(upheld) = {ranked.probability:.2f}." in PAGE


def test_the_constants() -> None:
    text = " ".join(PAGE.split())
    for words in (
        f"less {NEUTRAL}, times {DEFAULT.fit}",
        f"**The readers**, times {DEFAULT.reports}",
        f"at most {1 / AGREEMENT:.2f} times the best",
        f"{CROWD['comment']} on a comment, {CROWD['story']} on a story or author",
        f"{COHORT} accounts younger than a week",
        f"adds at most {NEWCOMERS_MOST:.2f}, once",
        f"From {DECISIONS} decisions, {EACH} of either outcome",
        f"never weigh more than {REPORTS_MOST}",
    ):
        assert words in text


def test_metrics_of_the_benchmark() -> None:
    truth = {str(number): number in (1, 3) for number in range(40)}
    found = measure([str(number) for number in range(40)], truth)
    assert (found["P@1%"], found["P@5%"], found["P@10%"]) == (0.0, 0.5, 0.5)
    assert (found["R@1%"], found["R@5%"], found["R@10%"]) == (0.0, 0.5, 1.0)
    assert found["NDCG@20"] == pytest.approx((1 / 1.584963 + 1 / 2.321928) / (1 + 1 / 1.584963))
    assert found[FIRST] == 2


def test_intervals_and_paired_differences() -> None:
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((3.0, 2.776 * 2.5**0.5 / 5**0.5))
    worse = dict.fromkeys(("P@1%", "R@1%", "P@5%", "R@5%", "P@10%", "R@10%", "NDCG@20"), 0.5) | {FIRST: 2.0}
    better = {name: value + 0.1 for name, value in worse.items()} | {FIRST: 1.0}
    differences = compare([{"evenhand": better, "text-only": worse}] * 5)
    assert all(mean > 0 for mean, _ in differences.values())
