"""`POST /batch`: several calls in one multipart/mixed body, each an HTTP request written out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from serving.dialects.perspective.errors import PerspectiveError

MOST = 1000  # parts; Google's client sends no more
BOUNDARY = re.compile(r';\s*boundary="?([^";\s]{1,200})', re.IGNORECASE)
FOLD = re.compile(rb"\n(?=[ \t])")


@dataclass(frozen=True)
class Part:
    """One call: its id as the client gave it, path, key of its own, and body."""

    content_id: str
    method: str
    path: str
    query: dict[str, str]
    body: bytes


def read(content_type: str, body: bytes) -> list[Part]:
    """The calls of a batch, in order. Raises PerspectiveError, which names the part.

    Read by hand, in time that grows with the body alone: the email package takes minutes over a body of
    many empty parts, and ends in a RecursionError over nested ones.
    """
    boundary = BOUNDARY.search(content_type) if content_type.lower().startswith("multipart/") else None
    if not boundary:
        raise PerspectiveError("The batch must be multipart/mixed with a boundary.")
    delimiter = b"\n--" + boundary[1].encode("latin-1", "replace")
    _, *pieces = (b"\n" + body.replace(b"\r\n", b"\n")).split(delimiter, MOST + 1)
    parts = list(takewhile(lambda piece: not piece.startswith(b"--"), pieces))
    if not parts or len(parts) > MOST:
        raise PerspectiveError(f"The batch must have 1 to {MOST} parts.")
    return [_part(number, part.partition(b"\n")[2]) for number, part in enumerate(parts)]


def _part(number: int, part: bytes) -> Part:
    written, _, content = part.partition(b"\n\n")
    # A long id is folded over lines; unfolded, the break is gone and the white space stays.
    unfolded = FOLD.sub(b"", written).decode("latin-1").split("\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in unfolded)}
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/http":
        raise PerspectiveError(f"Part {number}: Content-Type must be application/http.")
    head, _, rest = content.partition(b"\n\n")
    words = head.lstrip().split(b"\n", 1)[0].decode("latin-1").split()
    if len(words) < 2:
        raise PerspectiveError(f"Part {number}: expected a request line such as POST /v1alpha1/comments:analyze.")
    try:
        target = urlsplit(words[1])
    except ValueError:
        raise PerspectiveError(f"Part {number}: the request line holds no valid address.") from None
    query = {name: values[-1] for name, values in parse_qs(target.query).items()}
    content_id = headers.get("content-id", f"<{number}>").replace("\r", "")
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
            f"Content-Length: {len(content)}\r\n\r\n".encode("latin-1", "replace")
            + content
            + b"\r\n"
        )
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def _answering(content_id: str) -> str:
    return f"<response-{content_id[1:]}" if content_id.startswith("<") else f"<response-{content_id}>"
