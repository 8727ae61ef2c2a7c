from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.triage.bursts import COHORT, CROWD, WINDOW, Sighting, bursts
from serving.triage.parties import SHARED, parties
from tests.serving.triage.making import FIRST

OLD, NEW = timedelta(days=100), timedelta(days=1)


def seen(
    number: int, minutes: float, comment: str = "c", story: str = "s", author: str = "a", age: timedelta | None = OLD
) -> Sighting:
    return Sighting(f"r{number}", comment, story, author, FIRST + timedelta(minutes=minutes), age)


def test_a_crowd_within_minutes_is_a_burst_and_one_fewer_is_not() -> None:
    size = CROWD["comment"]
    crowd = [seen(number, number) for number in range(size)]
    assert bursts(crowd) == {(f"r{number}", "c") for number in range(size)}
    assert bursts(crowd[1:]) == frozenset()


def test_a_crowd_over_hours_is_none() -> None:
    minutes = WINDOW / timedelta(minutes=1)
    assert bursts(seen(number, number * minutes) for number in range(20)) == frozenset()


def test_the_same_reader_many_times_is_no_crowd() -> None:
    assert bursts(seen(1, 0.1 * number, comment=f"c{number}") for number in range(20)) == frozenset()


@pytest.mark.parametrize("kind", ["story", "author"])
def test_a_campaign_spread_over_comments_shows_at_the_story_and_at_the_author(kind: str) -> None:
    size = CROWD[kind]
    other = "author" if kind == "story" else "story"
    spread = [
        Sighting(f"r{number}", f"c{number}", at=FIRST, age=OLD, **{kind: "same", other: f"{number}"})
        for number in range(size)
    ]
    assert bursts(spread) == {(f"r{number}", f"c{number}") for number in range(size)}
    assert bursts(spread[1:]) == frozenset()


@pytest.mark.parametrize("age", [NEW, None])
def test_new_accounts_together_are_a_burst_even_over_hours(age: timedelta | None) -> None:
    group = [seen(number, 60 * number, age=age) for number in range(COHORT)]
    assert bursts(group) == {(f"r{number}", "c") for number in range(COHORT)}
    assert bursts(group[1:]) == frozenset()
    assert bursts([*group[1:], seen(9, 0)]) == frozenset()


def test_who_came_before_and_after_a_crowd_is_not_of_it() -> None:
    crowd = [seen(number, 300 + number) for number in range(CROWD["comment"])]
    found = bursts([seen(50, 0), *crowd, seen(51, 900)])
    assert {name for name, _ in found} == {f"r{number}" for number in range(CROWD["comment"])}


@given(
    st.lists(
        st.builds(
            seen, st.integers(0, 9), st.integers(0, 60), st.sampled_from("cd"), age=st.sampled_from([OLD, NEW, None])
        )
    )
)
def test_the_windows_are_those_of_the_definition(sightings: list[Sighting]) -> None:
    expected = set()
    for target in ("comment", "story"):
        for value in {getattr(one, target) for one in sightings}:
            group = [one for one in sightings if getattr(one, target) == value]
            young = [one for one in group if one.young]
            for some, window, crowd in ((group, WINDOW, CROWD[target]), (young, timedelta(days=1), COHORT)):
                for first in some:
                    inside = [one for one in some if first.at <= one.at <= first.at + window]
                    if len({one.reporter for one in inside}) >= crowd:
                        expected |= {(one.reporter, one.comment) for one in inside}
    assert bursts(sightings) == bursts(sightings[::-1]) == expected


def test_companions_are_a_party_and_strangers_are_none() -> None:
    together = [(name, f"c{number}") for name in ("x", "y", "z") for number in range(SHARED)]
    apart = [("p", f"d{number}") for number in range(9)] + [("q", f"e{number}") for number in range(9)]
    found = parties(together + apart)
    assert set(found) == {"x", "y", "z"}
    assert len(set(found.values())) == 1
    assert parties(together[:SHARED] + together[SHARED : 2 * SHARED - 1]) == {}
    assert parties([]) == {}


def test_nobody_joins_two_who_share_nothing() -> None:
    mine = [("p", f"d{number}") for number in range(9)]
    theirs = [("q", f"e{number}") for number in range(9)]
    both = [("bridge", comment) for _, comment in mine + theirs]
    assert parties(mine + theirs + both) == {}


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 7).map(str)), max_size=60))
def test_parties_are_the_joined_companions_in_any_order(pairs: list[tuple[str, str]]) -> None:
    found = parties(pairs)
    assert parties(pairs[::-1] + pairs) == found
    did = {name: {comment for each, comment in pairs if each == name} for name, _ in pairs}
    for one in did:
        for other in did:
            shared = len(did[one] & did[other])
            if one != other and shared >= SHARED and shared > len(did[one] | did[other]) / 2:
                assert found[one] == found[other]
    assert all(list(found.values()).count(party) > 1 for party in found.values())


def test_a_chain_of_companions_is_one_party_whatever_their_names() -> None:
    for order in ("abcd", "dcba", "bdac"):
        pairs = [
            (name, str(comment)) for place, name in enumerate(order) for comment in range(3 * place, 3 * place + 12)
        ]
        assert len(set(parties(pairs).values())) == 1
        assert set(parties(pairs)) == set(order)
