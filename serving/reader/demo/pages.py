"""The newspaper's pages: `/demo`, there only if the service was started with `--demo`."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving import service
from serving.errors import ApiError
from serving.reader.demo.newspaper import Newspaper, Reader, RuleError

HERE = Path(__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STATIC = {path.name: (path.read_bytes(), KINDS[path.suffix]) for path in (HERE / "static").iterdir()}
COOKIE = "courier-reader"
ID = re.compile(r"[0-9a-f]{16}")
HEADERS = {
    # Strict, as a careful publisher's: report.js has to work under it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}

router = APIRouter(prefix="/demo", include_in_schema=False)


def _ago(moment: datetime) -> str:
    minutes = max(0, int((datetime.now(UTC) - moment).total_seconds() // 60))
    for size, name in ((1440, "day"), (60, "hour"), (1, "minute")):
        if number := minutes // size:
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"


_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.filters |= {
    "ago": _ago,
    "day": lambda moment: f"{moment:%A} {moment.day} {moment:%B %Y}",
    "paragraphs": lambda text: [part for part in re.split(r"\n\s*\n", text) if part.strip()],
}


async def _paper(request: Request) -> Newspaper:
    """The newspaper, for requests of its own pages. Raises ApiError."""
    here = service.of(request)
    if here.settings.mode == "local":
        await here.access.check(request, None)  # asked for by a loopback name
    if request.method == "POST" and request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise ApiError(403, "forbidden", "This form is not from a page of this newspaper.")
    paper: Newspaper = request.app.state.newspaper
    return paper


def render(paper: Newspaper, reader: Reader, **more: Any) -> str:
    """The article as a reader sees it. `more`: `draft`, `nudge`, and `problem`, with words and the comment's id."""
    values = {
        "site": paper.evenhand.site,
        "key": paper.reports_key,
        "today": datetime.now(UTC),
        "story": paper.story,
        "reader": reader,
        "readers": paper.readers(),
        "threads": paper.threads(),
        "shown": sum(comment.state == "published" for comment in paper.board.comments.values()),
        "changes": paper.board.changes,
        "draft": {"id": secrets.token_hex(8), "text": ""},
        "nudge": None,
        "problem": None,
    }
    return _templates.get_template("article.html").render(values | more)


def _page(request: Request, paper: Newspaper, **more: Any) -> Response:
    return HTMLResponse(render(paper, paper.reader(request.cookies.get(COOKIE)), **more), headers=HEADERS)


async def _form(request: Request, name: str) -> str:
    """A field of a form; empty if it is not there, or a file."""
    value = (await request.form()).get(name, "")
    return value if isinstance(value, str) else ""


@router.get("")
async def article(request: Request) -> Response:
    """The article with its comments."""
    return _page(request, await _paper(request))


@router.get("/changes")
async def changes(request: Request) -> Response:
    """A number that rises whenever a comment changes, for open pages."""
    paper = await _paper(request)
    return Response(json.dumps({"changes": paper.board.changes}), media_type="application/json")


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Style, script and drawings."""
    if name not in STATIC:
        raise ApiError(404, "not_found", "Not Found.")
    content, kind = STATIC[name]
    return Response(content, media_type=kind, headers={"Cache-Control": "max-age=60"})


@router.post("/reader")
async def reader(request: Request) -> Response:
    """Reads on as somebody else: in place of the log-in of a real newspaper."""
    paper = await _paper(request)
    name = await _form(request, "reader")
    answer = RedirectResponse("/demo#comments", 303)
    for one in paper.readers():
        if one.name == name:
            answer.set_cookie(COOKIE, one.id, path="/demo", httponly=True, samesite="lax")
    return answer


@router.post("/comments")
async def comment(request: Request) -> Response:
    """Have your say."""
    paper = await _paper(request)
    id, text, again = [await _form(request, name) for name in ("id", "text", "again")]
    if not ID.fullmatch(id):
        raise ApiError(422, "invalid_request", "id: expected 16 hexadecimal digits", "id")
    who = paper.reader(request.cookies.get(COOKIE))
    draft = {"id": id, "text": text}
    try:
        said = await paper.say(who, id, text, again=bool(again))
    except RuleError as error:
        return _page(request, paper, draft=draft, problem={"words": str(error), "comment": None})
    if said.nudge:
        return _page(request, paper, draft=draft, nudge=said.nudge)
    return RedirectResponse(f"/demo#{id}", 303)


@router.get("/comments/{id}/statement")
async def statement(id: str, request: Request) -> Response:
    """The statement of reasons, for the author of a removed comment."""
    paper = await _paper(request)
    try:
        content = await paper.statement(paper.reader(request.cookies.get(COOKIE)), id)
    except RuleError as error:
        raise ApiError(404, "not_found", str(error)) from None
    headers = {"Content-Disposition": f'attachment; filename="statement-of-reasons-{id}.txt"'}
    return Response(content, media_type="text/plain", headers=headers)


@router.post("/comments/{id}/appeal")
async def appeal(id: str, request: Request) -> Response:
    """An appeal of the author of a removed comment."""
    paper = await _paper(request)
    try:
        await paper.appeal(paper.reader(request.cookies.get(COOKIE)), id, await _form(request, "text"))
    except RuleError as error:
        return _page(request, paper, problem={"words": str(error), "comment": id})
    return RedirectResponse(f"/demo#{id}", 303)


@router.post("/hook")
async def hook(request: Request) -> Response:
    """Where evenhand's webhooks arrive."""
    paper: Newspaper = request.app.state.newspaper
    body = await request.body()
    try:
        event = json.loads(body)
    except ValueError:
        event = {}
    if not paper.receive(request.headers.get("x-evenhand-signature", ""), body, event):
        raise ApiError(401, "invalid_signature", "The signature is not that of the demo's hook.")
    return Response(status_code=204)
