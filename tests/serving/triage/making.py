"""Short ways to make the inputs of the ranking, and Hypothesis strategies for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from serving.triage import REASONS, Case, Outcome, Reason, Report, Reporter

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=500)
SCORES = {"report_worthy": 0.3, "toxicity": 0.5, "insult": 0.4, "identity_attack": 0.6, "threat": 0.02}
FIRST = NOW - timedelta(hours=20)


def reporter(name: str, upheld: int = 0, declined: int = 0, created: datetime | None = OLD) -> Reporter:
    """A reader with so many decisions, all of now, so that nothing has decayed."""
    outcomes = [Outcome(f"{name}-{number}", number < upheld, NOW) for number in range(upheld + declined)]
    return Reporter(name, created, tuple(outcomes))


def report(
    name: str, comment: str = "c", minutes: float = 0.0, reason: Reason = "other", withdrawn: bool = False
) -> Report:
    return Report(name, comment, 1, reason, FIRST + timedelta(minutes=minutes), withdrawn)


def case(*reports: Report, comment: str = "c", story: str = "s", author: str = "a", score: float = 0.3) -> Case:
    return Case(comment, story, author, SCORES | {"report_worthy": score}, reports)


def known(*reporters: Reporter) -> dict[str, Reporter]:
    return {each.id: each for each in reporters}


def crowd(
    size: int, comment: str = "c", minutes: float = 0.0, apart: float = 0.1, name: str = "x", reason: Reason = "other"
) -> tuple[Report, ...]:
    """Reports of one comment by `size` readers, one every `apart` minutes."""
    return tuple(report(f"{name}{number}", comment, minutes + apart * number, reason) for number in range(size))


names = st.sampled_from([f"r{number}" for number in range(8)])
people = st.fixed_dictionaries(
    {f"r{number}": st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()) for number in range(8)}
).map(
    lambda made: known(
        *(
            reporter(name, upheld, declined, FIRST - timedelta(days=1) if new else OLD)
            for name, (upheld, declined, new) in made.items()
        )
    )
)
filings = st.lists(
    st.builds(
        Report,
        names,
        st.sampled_from(["c1", "c2", "c3", "c4", "c5"]),
        st.integers(1, 2),
        st.sampled_from(list(REASONS)),
        st.integers(0, 1000).map(lambda minutes: FIRST + timedelta(minutes=minutes)),
        st.booleans(),
    ),
    max_size=30,
)


def cases(made: list[Report]) -> list[Case]:
    """The cases of some reports, all of one story and author."""
    comments = sorted({one.comment for one in made})
    return [case(*(one for one in made if one.comment == comment), comment=comment) for comment in comments]
