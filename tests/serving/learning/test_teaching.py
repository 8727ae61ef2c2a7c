from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.learning.teaching import entropy, lessons
from serving.store import Store
from tests.serving.learning import desk


def scored(live: float, candidate: float | None = None) -> dict[str, dict[str, float]]:
    found = {"live": {"report_worthy": live}}
    return found if candidate is None else found | {"candidate": {"report_worthy": candidate}}


def test_doubt_and_disagreement_come_first_and_decided_comments_not_at_all(store: Store) -> None:
    with store.writing() as session:
        for name, pair in {
            "sure": (0.01, 0.01), "unsure": (0.5, 0.5), "at odds": (0.05, 0.9), "decided": (0.5, 0.5),
        }.items():  # fmt: skip
            comment = desk.comment(session, name, scored(*pair), story=name)
            if name == "decided":
                desk.decision(session, comment, "keep")
        desk.comment(session, None, scored(0.5))
        desk.comment(session, "elsewhere", scored(0.5), on="other")
    with store.session() as session:
        found = lessons(session, ["demo"], "live", "candidate")
        texts = [lesson.comment.revisions[0].text for lesson in found]
        assert texts == ["at odds", "unsure", "sure"]
        assert found[0].words == "the model gives 0.05, the candidate 0.90"
        assert [lesson.other for lesson in lessons(session, ["demo"], "live")] == [None] * 3


def test_one_of_each_story_and_author_comes_before_the_rest_of_them(store: Store) -> None:
    with store.writing() as session:
        for text, story, author, score in (
            ("best", "s", "x", 0.5),
            ("same story", "s", "y", 0.49),
            ("same author", "t", "x", 0.48),
            ("apart", "u", "z", 0.2),
        ):
            desk.comment(session, text, scored(score), story=story, author=author)
    with store.session() as session:
        texts = [lesson.comment.revisions[0].text for lesson in lessons(session, ["demo"], "live")]
    assert texts == ["best", "apart", "same story", "same author"]


@given(st.floats(0, 1))
def test_a_decision_tells_at_most_one_bit(probability: float) -> None:
    assert 0 <= entropy(probability) <= 1
    assert abs(entropy(probability) - entropy(1 - probability)) < 1e-9
