"""How the newspaper's system speaks with evenhand: HTTP calls one way, signed webhooks the other."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from serving.reader.demo.board import Comment, Story

TOLERANCE = 300  # seconds that a webhook's moment may differ from ours; an older one could be a replay


class RefusedError(Exception):
    """evenhand did not do what it was asked. `status` and `words`: as it answered; 0: it did not."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status, self.words = status, words


@dataclass(frozen=True)
class Evenhand:
    """The service at an address, called for one site with a key of scope `comments`; None where none is needed."""

    address: str
    site: str
    key: str | None = None

    async def ready(self) -> bool:
        """Whether it scores."""
        try:
            await self._call("GET", "/readyz")
        except RefusedError:
            return False
        return True

    async def put(
        self, comment: Comment, story: Story, url: str, author: dict[str, str], nudge: bool
    ) -> dict[str, Any]:
        """Sends a comment, with what it is a comment on; answers what the policy decided."""
        body = {
            "text": comment.text,
            "author": author,
            "story": {
                "id": story.id,
                "url": url,
                "title": story.title,
                "section": story.section,
                "text": "\n\n".join(story.paragraphs),
            },
            "posted_at": comment.posted_at.isoformat(),
            "nudge": nudge,
        }
        if comment.parent:
            body["parent"] = comment.parent
        answer: dict[str, Any] = (await self._call("PUT", f"{self._site}/comments/{quote(comment.id)}", body)).json()
        return answer

    async def statement(self, decision: str) -> bytes:
        """The statement of reasons for a removal, as text for the comment's author."""
        return (await self._call("GET", f"/v1/decisions/{quote(decision)}/statement?format=text")).content

    async def appeal(self, decision: str, author: str, text: str) -> None:
        """Passes on what a comment's author says against its removal."""
        await self._call("POST", f"/v1/decisions/{quote(decision)}/appeal", {"author": author, "text": text})

    @property
    def _site(self) -> str:
        return f"/v1/sites/{quote(self.site)}"

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            async with httpx.AsyncClient(timeout=20) as client:
                answer = await client.request(method, self.address + path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise RefusedError(0, type(error).__name__) from None
        if answer.is_success:
            return answer
        try:
            words = str(answer.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            words = answer.reason_phrase
        raise RefusedError(answer.status_code, words)


def signed(secret: str, signature: str, body: bytes, now: float | None = None) -> bool:
    """Whether a webhook's body bears the signature of a secret, and is of the last minutes."""
    parts = dict(part.split("=", 1) for part in signature.split(",") if "=" in part)
    moment = parts.get("t", "")
    if not moment.isdecimal() or abs((now or time.time()) - int(moment)) > TOLERANCE:
        return False
    expected = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))
