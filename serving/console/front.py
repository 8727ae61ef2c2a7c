"""The way in and out: the first page, the page to log in, logging out; and static files."""

from __future__ import annotations

import re

import structlog
from anyio import CapacityLimiter
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from serving.console import desk as door
from serving.console.desk import LOCAL, Call, Desk, see
from serving.console.errors import nothing
from serving.console.rendering import STATIC
from serving.moderation import logins, moderators
from serving.moderation.tables import Moderator

desk = Desk()
AT_ONCE = 2  # passwords that are checked at a time, each in 64 MiB
HOME = "/console/queue"


@desk.get("/console", None)
@desk.get("/console/", None)
def home(call: Call) -> Response:
    """Leads to the queue."""
    return see(HOME)


@desk.get("/console/login", None)
def ask(call: Call) -> Response:
    """Asks for name and password."""
    if call.who:
        return see(local(call.query.get("next")))
    return call.page("login.html", next=local(call.query.get("next")), name="", problem=None)


@desk.post("/console/login", None, limiter=CapacityLimiter(AT_ONCE))
def log_in(call: Call) -> Response:
    """Starts a session, always a new one, or says that it cannot, in the same words whatever was wrong."""
    name, password = call.form.one("name"), (call.form.get("password") or [""])[-1]
    target = local(call.form.one("next"))
    address = call.request.client.host if call.request.client else ""
    wait = call.here.attempts.allow(name, address)
    if wait is not None:
        problem = f"Too many attempts. Try again in {max(1, -(-wait // 60))} min."
        answer = call.page("login.html", 429, next=target, name=name[:100], problem=problem)
        answer.headers["Retry-After"] = str(wait)
        return answer
    with call.store.session() as session:
        found = session.scalar(select(Moderator).where(Moderator.name == moderators.normal(name)))
    if not moderators.verify(found, password) or found is None:
        structlog.get_logger().warning("login refused", moderator=found.id if found else None, address=address)
        problem = "Name and password do not match an account that may log in."
        return call.page("login.html", 422, next=target, name=name[:100], problem=problem)
    call.here.attempts.succeeded(name)
    with call.store.writing() as session:
        secret = logins.start(session, found, old=door.token(call.request))
    answer = see(target)
    _set_cookie(call, answer, secret)
    return answer


@desk.post("/console/logout", "moderator")
def log_out(call: Call) -> Response:
    """Ends the session."""
    with call.store.writing() as session:
        logins.end(session, door.token(call.request))
    answer = RedirectResponse("/console/login", 303)
    _set_cookie(call, answer, "")
    return answer


@desk.get("/console/static/{name}", None)
def file(call: Call) -> Response:
    """A static file; its name changes with its content."""
    if call.path["name"] not in STATIC:
        raise nothing()
    content, kind = STATIC[call.path["name"]]
    return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


def local(target: str | None) -> str:
    """A path of the console to go to; anything else becomes the queue, so that no link leads out."""
    return target if target and re.fullmatch(LOCAL, target) else HOME


def _set_cookie(call: Call, answer: Response, secret: str) -> None:
    secure = door.secure(call.request)
    age = int(logins.LONGEST.total_seconds()) if secret else 0
    answer.set_cookie(door.cookie(secure), secret, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")
