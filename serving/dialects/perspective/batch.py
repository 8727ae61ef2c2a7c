"""`POST /batch`: several calls in one multipart/mixed body, each an HTTP request written out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import takewhile
from urllib.parse import parse_qs, unquote, urlsplit

from serving.dialects.perspective.errors import PerspectiveError

MOST = 1000  # parts; Google's client sends no more
BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^";\s]{1,200}))', re.IGNORECASE)
FOLD = re.compile(rb"\n(?=[ \t])")


@dataclass(frozen=True)
class Part:
    """One call: its id as the client gave it, and the request; or the problem with it."""

    content_id: str
    method: str = ""
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By names in lower case."""
    body: bytes = b""
    problem: PerspectiveError | None = None


@dataclass(frozen=True)
class Answer:
    """What a part is answered: status, JSON, and headers beside the usual ones."""

    part: Part
    status: int
    content: bytes
    headers: Mapping[str, str]


def read(content_type: str, body: bytes) -> list[Part]:
    """The calls of a batch, in order; one that is no call has a problem. Raises PerspectiveError for what is no batch.

    Read by hand, in time that grows with the body alone: the email package takes minutes over a body of
    many empty parts, and ends in a RecursionError over nested ones.
    """
    boundary = BOUNDARY.search(content_type) if content_type.lower().startswith("multipart/mixed") else None
    if not boundary:
        raise PerspectiveError("The batch must be multipart/mixed with a boundary.")
    delimiter = b"\n--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    _, *pieces = (b"\n" + body.replace(b"\r\n", b"\n")).split(delimiter, MOST + 1)
    parts = list(takewhile(lambda piece: not piece.startswith(b"--"), pieces))
    if not parts or len(parts) > MOST:
        raise PerspectiveError(f"The batch must have 1 to {MOST} parts.")
    return [_part(number, part.partition(b"\n")[2]) for number, part in enumerate(parts)]


def _part(number: int, part: bytes) -> Part:
    written, _, content = part.partition(b"\n\n")
    outer = _headers(written)
    content_id = outer.get("content-id", f"<{number}>").replace("\r", "")

    def bad(message: str) -> Part:
        return Part(content_id, problem=PerspectiveError(f"Part {number}: {message}"))

    if outer.get("content-type", "").partition(";")[0].strip().lower() != "application/http":
        return bad("Content-Type must be application/http.")
    head, _, rest = content.partition(b"\n\n")
    line, _, inner = head.lstrip().partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        return bad("expected a request line such as POST /v1alpha1/comments:analyze.")
    try:
        target = urlsplit(words[1])
    except ValueError:
        return bad("the request line holds no valid address.")
    query = {name: values[-1] for name, values in parse_qs(target.query).items()}
    return Part(content_id, words[0].upper(), unquote(target.path), query, _headers(inner), rest)


def _headers(written: bytes) -> dict[str, str]:
    """A long one is folded over lines; unfolded, the break is gone and the white space stays."""
    lines = (line.partition(":") for line in FOLD.sub(b"", written).decode("latin-1").split("\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def write(answers: Sequence[Answer], boundary: str) -> bytes:
    """The answers as a multipart/mixed body, in order."""
    lines: list[bytes] = []
    for answer in answers:
        status = answer.status
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        lines.append(
            f"--{boundary}\r\n"
            "Content-Type: application/http\r\n"
            f"Content-ID: {_answering(answer.part.content_id)}\r\n\r\n"
            f"HTTP/1.1 {status} {phrase}\r\n"
            "Content-Type: application/json; charset=UTF-8\r\n"
            f"{extra}"
            f"Content-Length: {len(answer.content)}\r\n\r\n".encode("latin-1", "replace")
            + answer.content
            + b"\r\n"
        )
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def _answering(content_id: str) -> str:
    return f"<response-{content_id[1:]}" if content_id.startswith("<") else f"<response-{content_id}>"
