from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.policy import Policy, decide, parse
from serving.policy.backtest import ACTIONS, EXCERPT, Row, Share, backtest
from tests.serving.policy import made
from tests.serving.policy.made import rule, ruled

OLD = Policy((rule("report_worthy", "hold", 0.8),))
NEW = Policy((rule("report_worthy", "hold", 0.5), rule("constructive", "feature", 0.9)))


def row(name: str, report_worthy: float, constructive: float = 0.0, **keys: object) -> Row:
    return Row(name, {"report_worthy": report_worthy, "constructive": constructive}, **keys)  # type: ignore[arg-type]


ROWS = [
    row("a", 0.9, verdict="remove"),
    row("b", 0.6, verdict="keep", text="Oh really."),
    row("c", 0.7, verdict="remove", state="rejected"),
    row("d", 0.1, 0.95),
    row("e", 0.1, verdict="keep"),
    row("f", 0.2, verdict="remove"),
]


def test_what_would_change_is_counted() -> None:
    report = backtest(OLD, NEW, ROWS)
    assert (report.rows, report.changed) == (6, 3)
    assert report.matrix == {
        ("hold", "hold"): 1,
        ("accept", "hold"): 2,
        ("accept", "feature"): 1,
        ("accept", "accept"): 2,
    }
    assert report.new.actions == {"accept": 2, "hold": 3, "flag": 0, "reject": 0, "feature": 1}
    assert report.new.share("hold") == 0.5
    assert (report.old.deferred, report.old.nudges) == (0, 0)


def test_the_calibration_says_how_right_it_would_be() -> None:
    expected = backtest(OLD, NEW, ROWS).new.expected
    assert expected["hold"].value == pytest.approx((0.9 + 0.6 + 0.7) / 3)
    assert expected["hold"].of == 3
    assert expected["feature"].value == pytest.approx(0.95)
    assert expected["reject"] == Share(0)


def test_moderators_decisions_say_how_right_it_was() -> None:
    report = backtest(OLD, NEW, ROWS)
    found = report.new.agreement
    assert found is not None
    assert found.decided == 5
    assert (found.removed.of, found.caught.of) == (3, 3)
    assert found.removed.value == pytest.approx(2 / 3)
    assert found.caught.value == pytest.approx(2 / 3)
    assert found.wrongly_rejected == 0
    rejecting = backtest(OLD, Policy((rule("report_worthy", "reject", 0.5),)), ROWS).new.agreement
    assert rejecting is not None
    assert rejecting.wrongly_rejected == 1
    assert backtest(OLD, NEW, [row("d", 0.1)]).new.agreement is None


def test_examples_say_why() -> None:
    (one,) = backtest(OLD, NEW, [ROWS[1]]).examples["accept", "hold"]
    assert (one.id, one.text, one.verdict) == ("b", "Oh really.", "keep")
    assert one.old_reasons == ("No rule matched.",)
    assert one.new_reasons == ("Rule 1 (hold): report_worthy 0.60, at least 0.5.",)
    long = backtest(OLD, NEW, [row("x", 0.6, text="a" * 1000)]).examples["accept", "hold"][0].text
    assert long is not None
    assert len(long) == EXCERPT


def test_examples_are_the_same_whatever_the_order() -> None:
    rows = [row(str(number), 0.6) for number in range(50)]
    first = backtest(OLD, NEW, rows, examples=4).examples
    random.Random(7).shuffle(rows)
    assert backtest(OLD, NEW, rows, examples=4).examples == first
    assert [len(found) for found in first.values()] == [4]
    # Fewer are the first of more.
    assert backtest(OLD, NEW, rows, examples=2).examples["accept", "hold"] == first["accept", "hold"][:2]
    assert backtest(OLD, NEW, rows, examples=0).examples == {}


def test_missing_scores_and_nudges_are_counted() -> None:
    nudging = Policy((ruled(attribute="report_worthy", at_least=0.5, action="hold", nudge=True),))
    side = backtest(OLD, nudging, [row("a", 0.6), row("b", 0.1), Row("c", {}), row("d", math.nan)]).new
    assert (side.deferred, side.nudges, side.actions["hold"]) == (2, 1, 3)
    assert side.expected["hold"].of == 1


def test_nothing_to_test_on_is_no_error() -> None:
    report = backtest(OLD, NEW, [])
    assert (report.rows, report.changed, report.new.share("hold")) == (0, 0, 0.0)
    json.dumps(report.record(), allow_nan=False)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # Wilson's interval, from the tables of R's prop.test(correct = FALSE).
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_intervals(count: float, of: int, low: float, high: float) -> None:
    share = Share.made(count, of)
    assert share.low == pytest.approx(low, abs=1e-4)
    assert share.high == pytest.approx(high, abs=1e-4)


def test_the_report_of_a_real_policy_is_json() -> None:
    draft = parse("[[rules]]\nattribute='insult'\nat_least=0.5\naction='hold'\n")
    record = json.loads(json.dumps(backtest(OLD, draft, ROWS).record(), allow_nan=False))
    assert record["rows"] == 6
    assert record["new"]["deferred"] == 6
    assert {example["new"] for example in record["examples"]} == {"hold"}


verdicts = st.one_of(st.none(), st.sampled_from(["keep", "remove", "feature"]))
rows_ = st.lists(st.builds(Row, st.text(max_size=3), made.scores, made.facts, verdict=verdicts), max_size=8)


@made.patient
@given(made.policies, made.policies, rows_)
def test_the_sums_agree(old: Policy, new: Policy, rows: list[Row]) -> None:
    report = backtest(old, new, rows, examples=2)
    json.dumps(report.record(), allow_nan=False)
    assert sum(report.matrix.values()) == report.rows == len(rows)
    for action in ACTIONS:
        assert report.old.actions[action] == sum(n for (a, _), n in report.matrix.items() if a == action)
        assert report.new.actions[action] == sum(n for (_, b), n in report.matrix.items() if b == action)
        assert report.new.actions[action] == sum(decide(new, one.scores, one.facts).action == action for one in rows)
    for (before, after), shown in report.examples.items():
        assert before != after
        assert len(shown) == min(2, report.matrix[before, after])
    for share in report.new.expected.values():
        if share.value is not None and share.low is not None and share.high is not None:
            assert 0 <= share.low <= share.value + 1e-9
            assert share.value <= share.high + 1e-9 <= 1 + 2e-9
    decided = sum(one.verdict is not None for one in rows)
    assert (report.new.agreement.decided if report.new.agreement else 0) == decided


@made.patient
@given(made.policies, rows_)
def test_against_itself_nothing_changes(rules: Policy, rows: list[Row]) -> None:
    report = backtest(rules, rules, rows)
    assert (report.changed, report.examples, report.old) == (0, {}, report.new)
