from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from serving.moderation import history, policies, sites
from serving.moderation.tables import Author, Comment, Decision, Revision, RevisionScores, Story
from serving.policy import AuthorFacts, Facts, StoryFacts
from serving.store import Store, now

START = now().replace(microsecond=0)
SCORES = {"report_worthy": 0.6}


class World:
    """A site with a story and two authors, and comments an hour apart."""

    def __init__(self, session: Session) -> None:
        self.session = session
        sites.put(session, "gazette", "The Gazette", None, "command")
        sites.put(session, "other", "The Other", None, "command")
        hours = timedelta(hours=1)
        self.story = Story(site_id="gazette", external_id="s1", section="politics", published_at=START - 2 * hours)
        self.ann, self.bob = (
            Author(site_id="gazette", external_id=name, account_created_at=START - timedelta(days=days))
            for name, days in (("ann", 10), ("bob", 1))
        )
        session.add_all([self.story, self.ann, self.bob])
        session.flush()
        self.count = 0

    def comment(self, author: Author | None, text: str | None = "See www.a.example", **keys: Any) -> Comment:
        keys = {"site_id": "gazette", "story_id": self.story.id, "author_id": author.id if author else None} | keys
        made = Comment(external_id=f"c{self.count}", posted_at=START + timedelta(hours=self.count), **keys)
        self.count += 1
        self.session.add(made)
        self.session.flush()
        revision = Revision(comment_id=made.id, number=made.revision, text=text)
        self.session.add(revision)
        self.session.flush()
        self.session.add(RevisionScores(revision_id=revision.id, model="evenhand 1", scores=SCORES))
        self.session.flush()
        return made

    def decide(self, comment: Comment, actor: Any, action: str, **keys: Any) -> Decision:
        keys = {"at": now(), "revision": comment.revision} | keys
        made = Decision(site_id="gazette", comment_id=comment.id, actor=actor, action=action, **keys)
        self.session.add(made)
        self.session.flush()
        return made


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    with store.writing() as session:
        yield World(session)


def test_facts_are_those_of_the_time(world: World) -> None:
    for author, state in (
        (world.ann, "rejected"),
        (world.bob, "published"),
        (None, "published"),
        (world.bob, "held"),
        (world.ann, "published"),
        (world.ann, "published"),
    ):
        world.comment(author, state=state)
    world.session.add(Comment(site_id="other", external_id="x"))
    rows = list(history.rows(world.session, "gazette"))
    assert [row.id for row in rows] == ["c5", "c4", "c3", "c2", "c1", "c0"]
    assert [row.id for row in history.rows(world.session, "gazette", limit=2)] == ["c5", "c4"]
    assert [row.state for row in rows] == ["published", "published", "held", "published", "published", "rejected"]
    assert rows[0].facts == Facts(
        section="politics",
        author=AuthorFacts(comments=2, rejected=1, account_days=10 + 5 / 24),
        story=StoryFacts(age_hours=7.0, comments=5),
        links=1,
    )
    counts = [(row.facts.author.comments, row.facts.author.rejected, row.facts.story.comments) for row in rows]
    assert counts == [(2, 1, 5), (1, 1, 4), (1, 0, 3), (None, None, 2), (0, 0, 1), (0, 0, 0)]
    assert {row.text for row in rows} == {"See www.a.example"}
    assert all((row.scores, row.verdict) == (SCORES, None) for row in rows)


def test_what_is_not_known_is_no_fact(world: World) -> None:
    world.comment(None, story_id=None)
    (row,) = history.rows(world.session, "gazette")
    assert row.facts == Facts(links=1)


def test_a_comment_that_its_author_took_back_is_left_out(world: World) -> None:
    world.comment(world.ann)
    world.comment(world.ann, deleted_at=START)
    assert [row.id for row in history.rows(world.session, "gazette")] == ["c0"]


def test_facts_that_a_policy_was_given_go_before_counting(world: World) -> None:
    comment = world.comment(world.ann)
    facts = Facts(section="sport", author=AuthorFacts(comments=90, role="guest"), links=3)
    outcome = policies.decide(world.session, "gazette", SCORES, facts)
    world.decide(comment, "policy", outcome.decision.action, rule=outcome.record)
    (row,) = history.rows(world.session, "gazette")
    assert row.facts == facts


def test_the_latest_scores_of_the_wording_that_stands_count(world: World) -> None:
    comment = world.comment(world.ann, revision=2)
    world.session.add(Revision(comment_id=comment.id, number=1, text="An earlier wording"))
    world.session.flush()
    revision = comment.revisions[-1]
    for model, shadow, score in (("evenhand 2", False, 0.3), ("evenhand 3", True, 0.9)):
        scores = {"report_worthy": score}
        world.session.add(RevisionScores(revision_id=revision.id, model=model, shadow=shadow, scores=scores))
        world.session.flush()
    (row,) = history.rows(world.session, "gazette")
    assert (row.text, row.scores) == ("See www.a.example", {"report_worthy": 0.3})


def test_a_comment_without_text_or_scores_is_a_row_too(world: World) -> None:
    comment = world.comment(world.ann, text=None, do_not_store=True)
    world.session.delete(comment.revisions[0].scores[0])
    world.session.flush()
    (row,) = history.rows(world.session, "gazette")
    assert (row.text, row.scores, row.facts.links) == (None, {}, None)


@pytest.mark.parametrize(
    ("decisions", "verdict"),
    [
        ([], None),
        ([("policy", "reject", {})], None),
        ([("moderator", "remove", {})], "remove"),
        ([("moderator", "feature", {})], "feature"),
        ([("moderator", "remove", {}), ("moderator", "keep", {})], "keep"),
        ([("moderator", "keep", {}), ("moderator", "escalate", {})], "keep"),
        ([("moderator", "keep", {}), ("moderator", "remove", {"undone_at": START})], "keep"),
        ([("moderator", "remove", {"overturned_at": START})], "keep"),
        ([("moderator", "remove", {"revision": 7})], None),
    ],
)
def test_the_verdict_is_the_moderators_last_word(
    world: World, decisions: list[tuple[str, str, dict[str, Any]]], verdict: str | None
) -> None:
    comment = world.comment(world.ann)
    for number, (actor, action, keys) in enumerate(decisions):
        world.decide(comment, actor, action, at=START + timedelta(minutes=number), **keys)
    (row,) = history.rows(world.session, "gazette")
    assert row.verdict == verdict


def test_more_comments_than_are_read_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    for _ in range(8):
        world.comment(world.ann)
    rows = list(history.rows(world.session, "gazette"))
    assert [row.facts.author.comments for row in rows] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert all(row.scores == SCORES for row in rows)
