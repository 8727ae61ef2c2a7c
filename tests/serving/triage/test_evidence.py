from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from labels import taxonomy
from serving.triage import REASONS, Reason, Report
from serving.triage.evidence import standing
from tests.serving.triage.making import filings, report


def test_every_reason_has_its_attributes_and_all_exist() -> None:
    assert tuple(REASONS) == get_args(Reason)
    assert {name for names in REASONS.values() for name in names} <= set(taxonomy.load().names)
    # An attribute that speaks for a reason is one whose presence is bad.
    assert "constructive" not in {name for names in REASONS.values() for name in names}


def test_a_withdrawn_report_is_no_evidence() -> None:
    assert standing([report("r", withdrawn=True)]) == []


def test_filing_again_keeps_the_first_moment() -> None:
    first, again = report("r", minutes=0, withdrawn=True), report("r", minutes=60)
    assert standing([first, again]) == [replace(again, at=first.at)]


@given(filings, st.randoms())
def test_evidence_is_a_set(made: list[Report], random: object) -> None:
    shuffled = [*made, *made]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert standing(shuffled) == standing(made)


@given(filings, st.integers(1, 500))
def test_withdrawing_and_repeating_changes_nothing(made: list[Report], minutes: int) -> None:
    later = timedelta(minutes=minutes)
    back = [replace(one, withdrawn=True) for one in made]
    again = [replace(one, at=one.at + later) for one in made if not one.withdrawn]
    assert standing(back + again) == standing(made + [replace(one, withdrawn=True) for one in made])
    assert len(standing(back + again)) == len({one.key for one in made if not one.withdrawn})
