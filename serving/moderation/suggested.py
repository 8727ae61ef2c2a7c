"""Suggested scores (`suggestscore`) that are of a person's comments, to be erased with them.

A suggestion knows no site of ours. It holds the text and, where the client told, the comment's id, which two sites may
both have given, and the article's address. So a suggestion with one of the person's texts or ids goes, unless another's
comment fits it better: by id, by its words, and by its article. In doubt it goes, because a label is the lesser loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import Session

from serving.moderation.tables import Comment, Revision, Site, Story
from serving.store import Feedback

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Suggestion:
    """A row of feedback: its number, and what it says of its comment."""

    number: int
    text: str
    comment: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What a suggestion may have in common with a comment."""

    id: str
    texts: Collection[str]
    address: str | None

    def fit(self, one: _Suggestion) -> int:
        """In how much of it they agree, 0 to 3."""
        same_place = self.address is not None and _address(one.url) == self.address
        return (one.comment == self.id) + (one.text in self.texts) + same_place


def forget(session: Session, author_id: int | None, comments: Sequence[Comment]) -> None:
    """Deletes the suggestions of some comments of one author (None: nobody knows), whose texts must be there still."""
    mine = _known(session, comments)
    texts = {text for one in mine for text in one.texts}
    ids = {one.id for one in mine}
    columns = select(Feedback.id, Feedback.text, Feedback.comment_id, Feedback.story_url)
    rows = session.execute(columns.where(or_(Feedback.text.in_(texts), Feedback.comment_id.in_(ids))))
    found = [_Suggestion(*row) for row in rows]
    if not found:
        return
    others = _others(session, author_id, comments, {one.comment for one in found if one.comment})
    gone = []
    for one in found:
        best = max(each.fit(one) for each in mine if each.id == one.comment or one.text in each.texts)
        if all(other.fit(one) <= best for other in others.get(one.comment or "", ())):
            gone.append(one.number)
    for start in range(0, len(gone), AT_ONCE):  # a bounded number of parameters in one statement
        these = delete(Feedback).where(Feedback.id.in_(gone[start : start + AT_ONCE]))
        session.execute(these.execution_options(synchronize_session=False))


def _others(
    session: Session, author_id: int | None, mine: Sequence[Comment], ids: Collection[str]
) -> Mapping[str, Sequence[_Known]]:
    """Comments of these outside ids that are not the author's, of all sites."""
    # Sites are named because the index of outside ids begins with them.
    not_mine: list[ColumnElement[bool]] = [
        Comment.site_id.in_(select(Site.id)),
        Comment.id.not_in([comment.id for comment in mine]),
    ]
    if author_id is not None:
        not_mine.append(or_(Comment.author_id.is_(None), Comment.author_id != author_id))
    found = defaultdict(list)
    every = sorted(ids)
    for start in range(0, len(every), AT_ONCE):
        some = select(Comment).where(Comment.external_id.in_(every[start : start + AT_ONCE]), *not_mine)
        for one in _known(session, session.scalars(some).all()):
            found[one.id].append(one)
    return found


def _known(session: Session, comments: Sequence[Comment]) -> list[_Known]:
    ids = [comment.id for comment in comments]
    texts: dict[int, set[str]] = defaultdict(set)
    written = select(Revision.comment_id, Revision.text).where(Revision.comment_id.in_(ids))
    for comment_id, text in session.execute(written):
        if text is not None:
            texts[comment_id].add(text)
    stories = {comment.story_id for comment in comments if comment.story_id is not None}
    urls = dict(session.execute(select(Story.id, Story.url).where(Story.id.in_(stories))).all())
    return [
        _Known(comment.external_id, texts[comment.id], _address(urls.get(comment.story_id or 0)))
        for comment in comments
    ]


def _address(url: str | None) -> str | None:
    """An article's address without what is added for one comment, as Coral does: news.example/a?commentID=1."""
    return url.partition("#")[0].partition("?")[0].rstrip("/") if url else None
