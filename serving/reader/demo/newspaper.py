"""The newspaper's comment system: sends comments to evenhand, shows what may be shown, does what webhooks say."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from serving.reader.demo.board import Board, Comment, Story, story
from serving.reader.demo.client import Evenhand, RefusedError, signed

GUEST = "Mina Farrow"  # who reads and reports; the others have written comments
LONGEST = 5000  # characters of a comment; the newspaper's own rule


class RuleError(ValueError):
    """A reader asks for what the newspaper does not do; the message is for the reader."""


@dataclass(frozen=True)
class Reader:
    """Who reads. `id` is what other systems know the reader by: it cannot be guessed from the name."""

    name: str
    id: str


@dataclass(frozen=True)
class Said:
    """What became of a comment: posted, or (`nudge`: why) the author is asked to read it once more."""

    comment: Comment | None
    nudge: str | None = None


@dataclass
class Newspaper:
    """One newspaper with one story. `reports_key` stands in its pages; None where none is needed."""

    board: Board
    evenhand: Evenhand
    url: str
    hook_secret: str
    reports_key: str | None = None
    story: Story = field(default_factory=story)

    async def open(self) -> None:
        """Sends the comments that are there as soon as evenhand scores. Those that it knows stay as they are."""
        while not await self.evenhand.ready():
            await asyncio.sleep(0.5)
        for comment in list(self.board.comments.values()):
            try:
                answer = await self._send(comment)
            except RefusedError as error:
                structlog.get_logger().error("the demo's comments are refused", status=error.status)
                return
            now = self.board.comments[comment.id]
            if now == comment and now.state != answer["state"]:  # else a webhook has been faster
                self.board.put(replace(now, state=answer["state"]))

    def reader(self, id: str | None) -> Reader:
        """The reader with an id; the guest if nobody has it."""
        return next((one for one in self.readers() if one.id == id), self._reader(GUEST))

    def readers(self) -> list[Reader]:
        """All that one can be on this page."""
        return [
            self._reader(name) for name in dict.fromkeys([GUEST, *(c.author for c in self.board.comments.values())])
        ]

    def threads(self) -> Mapping[str | None, list[Comment]]:
        """Comments by the comment that they answer, None for the others. Hidden ones leave their place."""
        found = defaultdict(list)
        for comment in self.board.comments.values():
            found[comment.parent].append(comment)
        return found

    async def say(self, reader: Reader, id: str, text: str, *, again: bool) -> Said:
        """Posts a comment, unless evenhand would have its author read it once more and this is not that.

        Raises RuleError.
        """
        text = text.replace("\r\n", "\n").strip()
        if not text or len(text) > LONGEST:
            raise RuleError(f"Please write between 1 and {LONGEST:,} characters.")
        if id in self.board.comments:  # such as a form sent twice
            raise RuleError("This comment has been posted already.")
        comment = Comment(id=id, author=reader.name, text=text, posted_at=datetime.now(UTC))
        try:
            answer = await self._send(comment, nudge=not again)
        except RefusedError as error:
            raise RuleError("Your comment could not be posted. Please try again in a minute.") from error
        decision = answer["decision"]
        if decision["action"] == "nudge":
            return Said(None, _words(decision))
        # An event about it may have come while we waited for this answer.
        return Said(self.board.comments.get(id) or self.board.put(replace(comment, state=answer["state"])))

    def receive(self, signature: str, body: bytes, event: Mapping[str, Any]) -> bool:
        """Does what a webhook says; False if it is not evenhand's."""
        if not signed(self.hook_secret, signature, body):
            return False
        told = event.get("comment")
        comment = self.board.comments.get(told["id"]) if told else None
        if told and comment and event["sequence"] > comment.sequence:  # an older one, sent again, changes nothing
            changed = replace(comment, state=told["state"], featured=told["featured"], sequence=event["sequence"])
            decision = event.get("decision", {})
            if event["event"] == "comment.removed":
                words = self.story.reasons.get(decision.get("reason"))
                changed = replace(changed, decision=decision["id"], reason=words, appeal=None)
            elif event["event"] == "appeal.decided":
                changed = replace(changed, appeal=event["appeal"]["state"])
            self.board.put(changed)
        return True

    async def statement(self, reader: Reader, id: str) -> bytes:
        """The statement of reasons for a removed comment, for its author. Raises RuleError."""
        try:
            return await self.evenhand.statement(self._removed(reader, id))
        except RefusedError as error:
            raise RuleError("There is no statement of reasons.") from error

    async def appeal(self, reader: Reader, id: str, text: str) -> None:
        """Passes on an appeal of a removed comment's author. Raises RuleError."""
        try:
            await self.evenhand.appeal(self._removed(reader, id), reader.id, text.strip())
        except RefusedError as error:
            if error.status != 409:  # that is: appealed already
                raise RuleError(f"Your appeal could not be sent. {error.words}") from error
        self.board.put(replace(self.board.comments[id], appeal="open"))

    def _removed(self, reader: Reader, id: str) -> str:
        comment = self.board.comments.get(id)
        if not comment or comment.author != reader.name or comment.state != "rejected" or not comment.decision:
            raise RuleError("There is no removed comment of yours here.")
        return comment.decision

    async def _send(self, comment: Comment, *, nudge: bool = False) -> dict[str, Any]:
        role = "guest" if comment.author == GUEST else "subscriber"
        author = {"id": self._reader(comment.author).id, "name": comment.author, "role": role}
        return await self.evenhand.put(comment, self.story, self.url, author, nudge)

    def _reader(self, name: str) -> Reader:
        key = self.board.secret("readers").encode()
        return Reader(name, hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:24])


def _words(decision: Mapping[str, Any]) -> str:
    """Why, as the policy puts it to authors."""
    return str(decision.get("words") or "Other readers may take it for an attack rather than an argument.")
