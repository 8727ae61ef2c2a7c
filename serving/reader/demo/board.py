"""What the newspaper itself keeps: readers' comments, what is visible of them, and its secrets, in one JSON file."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

PAPER = Path(__file__).parent / "paper.toml"


@dataclass(frozen=True)
class Story:
    """The article that is commented on. `reasons`: why a comment was removed, as this newspaper tells its authors."""

    id: str
    section: str
    title: str
    standfirst: str
    byline: str
    role: str
    paragraphs: tuple[str, ...]
    reasons: dict[str, str]


@dataclass(frozen=True)
class Comment:
    """A comment as the newspaper has it. `decision` and `reason`: of its removal, for its author; `appeal`: open,
    upheld (the removal stands) or overturned.

    `sequence` is that of the last event applied; `change` counts changes of the whole board, for pages that watch it.
    """

    id: str
    author: str
    text: str
    posted_at: datetime
    parent: str | None = None
    state: str = "published"
    featured: bool = False
    decision: str | None = None
    reason: str | None = None
    appeal: str | None = None
    sequence: int = 0
    change: int = 0


class Kept(BaseModel):
    """What the file holds."""

    changes: int
    secrets: dict[str, str]
    comments: list[Comment]


class BoardError(ValueError):
    """The newspaper's file cannot be read. The message names it, and quotes nothing of it."""


@dataclass
class Board:
    """The comments by id, in the order in which they came, and what the newspaper keeps to itself."""

    path: Path
    comments: dict[str, Comment] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    changes: int = 0

    @classmethod
    def open(cls, path: Path) -> Board:
        """Reads the file; makes a new one, with the comments that the demo starts with, if there is none.

        Raises BoardError.
        """
        if path.exists():
            try:
                kept = Kept.model_validate_json(path.read_bytes())
            except ValidationError:
                raise BoardError(f"{path}: damaged; move it away, and the demo makes a new one") from None
            return cls(path, {comment.id: comment for comment in kept.comments}, kept.secrets, kept.changes)
        board = cls(path, {comment.id: comment for comment in seeds(datetime.now(UTC))})
        board.save()
        return board

    def secret(self, name: str) -> str:
        """A secret of this board's own, made at random when it is first asked for."""
        if name not in self.secrets:
            self.secrets[name] = secrets.token_urlsafe(12)
            self.save()
        return self.secrets[name]

    def put(self, comment: Comment) -> Comment:
        """Adds or replaces a comment. It has changed, for those who watch, if there is anything to see of that."""
        known = self.comments.get(comment.id)
        if known is None or replace(comment, sequence=known.sequence, change=known.change) != known:
            self.changes += 1
            comment = replace(comment, change=self.changes)
        self.comments[comment.id] = comment
        self.save()
        return comment

    def save(self) -> None:
        """Writes the file whole or not at all; for its owner only, since it holds secrets."""
        rows = [asdict(comment) | {"posted_at": comment.posted_at.isoformat()} for comment in self.comments.values()]
        content: dict[str, Any] = {"changes": self.changes, "secrets": self.secrets, "comments": rows}
        part = self.path.with_name(f"{self.path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
        part.replace(self.path)


def story() -> Story:
    """The article."""
    told = tomllib.loads(PAPER.read_text(encoding="utf-8"))["story"]
    return Story(**told | {"paragraphs": tuple(told["paragraphs"])})


def seeds(now: datetime) -> list[Comment]:
    """The comments that the demo starts with, written before `now`."""
    return [
        Comment(
            id=row["id"],
            author=row["author"],
            text=row["text"].strip(),
            parent=row.get("parent"),
            posted_at=now - timedelta(minutes=row["minutes"]),
        )
        for row in tomllib.loads(PAPER.read_text(encoding="utf-8"))["comments"]
    ]
