"""`POST /batch`: several calls in one multipart/mixed body, each an HTTP request written out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from serving.dialects.perspective.errors import PerspectiveError

MOST = 1000  # parts; Google's client sends no more


@dataclass(frozen=True)
class Part:
    """One call: its id as the client gave it, path, key of its own, and body."""

    content_id: str
    method: str
    path: str
    query: dict[str, str]
    body: bytes


def read(content_type: str, body: bytes) -> list[Part]:
    """The calls of a batch, in order. Raises PerspectiveError, which names the part."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body) if "multipart/" in content_type.lower() else None
    if message is None or not message.is_multipart():
        raise PerspectiveError("The batch must be multipart/mixed with a boundary.")
    parts = list(message.iter_parts())
    if len(parts) > MOST:
        raise PerspectiveError(f"The batch has {len(parts)} parts; at most {MOST} are answered.")
    return [_part(number, part) for number, part in enumerate(parts)]


def _part(number: int, part: Message) -> Part:
    if part.get_content_type() != "application/http":
        raise PerspectiveError(f"Part {number}: Content-Type must be application/http.")
    raw = part.get_payload(decode=True)
    content = raw if isinstance(raw, bytes) else b""
    head, _, rest = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    words = head.lstrip().split(b"\n", 1)[0].decode("latin-1").split()
    if len(words) < 2:
        raise PerspectiveError(f"Part {number}: expected a request line such as POST /v1alpha1/comments:analyze.")
    target = urlsplit(words[1])
    query = {name: values[-1] for name, values in parse_qs(target.query).items()}
    # A long id is folded over lines; unfolded, the break is gone and the white space stays.
    content_id = str(part.get("Content-ID", f"<{number}>")).replace("\r", "").replace("\n", "")
    return Part(content_id, words[0].upper(), unquote(target.path), query, rest)


def write(answers: list[tuple[Part, int, dict[str, Any], dict[str, str]]], boundary: str) -> bytes:
    """The answers as a multipart/mixed body: part, status, JSON and headers of each, in order."""
    lines: list[bytes] = []
    for part, status, body, headers in answers:
        content = json.dumps(body).encode()
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        lines.append(
            f"--{boundary}\r\n"
            "Content-Type: application/http\r\n"
            f"Content-ID: {_answering(part.content_id)}\r\n\r\n"
            f"HTTP/1.1 {status} {phrase}\r\n"
            "Content-Type: application/json; charset=UTF-8\r\n"
            f"{extra}"
            f"Content-Length: {len(content)}\r\n\r\n".encode("utf-8", "replace")
            + content
            + b"\r\n"
        )
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def _answering(content_id: str) -> str:
    return f"<response-{content_id[1:]}" if content_id.startswith("<") else f"<response-{content_id}>"
