"""The door of the console: who comes in by which route, and what a page's function is given.

A page declares its routes on a `Desk`, each with the least role that it is for:

    desk = Desk()

    @desk.get("/console/queue", "moderator", navigation="Queue")
    def queue(call: Call) -> Response:
        with call.store.session() as session:
            return call.page("queue.html", cases=...)

    @desk.post("/console/cases/{case}/claim", "moderator")
    def claim(call: Call) -> Response:
        with call.store.writing() as session:
            ...
        return see(f"/console/cases/{call.path['case']}")

Functions run in a thread, so that they may wait for the database. Before one is called: the login is found, the role
is enough, and for a POST the page that it was sent from is ours and the form carries the session's token. There is no
way to declare a route without this; role None is for what anybody may see, such as the page to log in.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from anyio import CapacityLimiter, to_thread
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from serving import service
from serving.console.errors import TITLES, PageError
from serving.console.rendering import HEADERS, render
from serving.dialects.bodies import LONE
from serving.moderation import logins, moderators, preferences
from serving.moderation.preferences import Preferences
from serving.moderation.tables import Moderator, Role
from serving.service import Service
from serving.store import Store

LARGEST_FORM = 2**20  # bytes
MOST_FIELDS = 2000
# In order of what a page may be for; "/console/…" only, in characters that mean nothing but a path and a query.
LOCAL = r"/console(/[A-Za-z0-9._~/?=&%+-]*)?"


class Form(dict[str, list[str]]):
    """The fields of a form, without lone surrogates and NUL, which databases refuse."""

    def one(self, name: str, default: str = "") -> str:
        """The last value of a field, without blanks around it."""
        return self[name][-1].strip() if self.get(name) else default


@dataclass(frozen=True)
class Visitor:
    """Who is logged in, as it was when the request came."""

    id: int
    name: str
    role: Role
    sites: tuple[str, ...]
    chosen: Preferences
    csrf: str
    moderator: Moderator = field(repr=False)

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return moderators.subject(self.moderator)

    def sees(self, site: str) -> bool:
        """Whether this person works on a site."""
        return moderators.sees(self.moderator, site)


@dataclass(frozen=True)
class Call:
    """A request that was let in: its parts, and how to answer with a page."""

    request: Request
    here: Service
    who: Visitor | None
    form: Form

    @property
    def store(self) -> Store:
        """The database."""
        return self.here.store

    @property
    def me(self) -> Visitor:
        """Who is logged in, on a page for which someone must be."""
        assert self.who
        return self.who

    @property
    def path(self) -> Mapping[str, str]:
        """What the braces of the route's path stood for."""
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the address's question mark."""
        return {name: LONE.sub("\ufffd", value) for name, value in self.request.query_params.items()}

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page. Beside what it is given, a template finds who looks at it, `me`, its path, `here`, and `token`, a
        hidden field that each of its forms has to hold.
        """
        token = Markup('<input type="hidden" name="csrf" value="{}">').format(self.who.csrf if self.who else "")
        return HTMLResponse(render(template, me=self.who, here=self.request.url.path, token=token, **context), status)


Handler = Callable[[Call], Response]


@dataclass(frozen=True)
class Item:
    """A page in the navigation."""

    path: str
    words: str
    role: Role


class Desk:
    """The routes of a page. `navigation` has what of them the navigation shows."""

    def __init__(self) -> None:
        self.routes: list[BaseRoute] = []
        self.navigation: list[Item] = []

    def get(self, path: str, role: Role | None, navigation: str | None = None) -> Callable[[Handler], Handler]:
        """Declares a page, for those who have `role` or a higher one."""
        if navigation and role:
            self.navigation.append(Item(path, navigation, role))
        return lambda handler: self._declare("GET", path, role, handler)

    def post(
        self, path: str, role: Role | None, limiter: CapacityLimiter | None = None
    ) -> Callable[[Handler], Handler]:
        """Declares what a form does, for those who have `role` or a higher one; at most so many at once."""
        return lambda handler: self._declare("POST", path, role, handler, limiter)

    def _declare(
        self, method: str, path: str, role: Role | None, handler: Handler, limiter: CapacityLimiter | None = None
    ) -> Handler:
        async def endpoint(request: Request) -> Response:
            return await _answer(request, role, handler, limiter)

        endpoint.role = role  # type: ignore[attr-defined]
        name = f"{method.lower()}_{handler.__module__.rpartition('.')[2]}_{handler.__name__}"
        self.routes.append(Route(path, endpoint, methods=[method], name=name, include_in_schema=False))
        return handler


def see(path: str) -> Response:
    """Sends the browser on to another page of the console after a form."""
    return RedirectResponse(path, 303)


def cookie(secure: bool) -> str:
    """The name of the cookie; the prefix makes browsers refuse one that another host or an open line set."""
    return "__Host-evenhand" if secure else "evenhand"


def secure(request: Request) -> bool:
    """Whether the browser came by https, here or to the proxy in front."""
    public = service.of(request).settings.public_url or ""
    return request.url.scheme == "https" or public.startswith("https://")


def token(request: Request) -> str | None:
    """The session's token, if the browser has one."""
    return request.cookies.get(cookie(secure(request)))


async def _answer(request: Request, role: Role | None, handler: Handler, limiter: CapacityLimiter | None) -> Response:
    here = service.of(request)
    posted = request.method == "POST"
    if posted and not _ours(request):
        raise PageError(403, "That did not come from here", "The form was sent from another site's page. Log in again.")
    who = await to_thread.run_sync(_who, request, here)
    try:
        return await _admitted(request, here, who, role, handler, limiter)
    except PageError as error:
        if who is None:
            raise  # serving/dialects/console.py makes a page of it without a frame
        call = Call(request, here, who, Form())
        context = {"title": error.title, "message": error.message, "back": error.back, "request_id": ""}
        return _with_headers(call.page("error.html", error.status_code, **context))


async def _admitted(
    request: Request,
    here: Service,
    who: Visitor | None,
    role: Role | None,
    handler: Handler,
    limiter: CapacityLimiter | None,
) -> Response:
    posted = request.method == "POST"
    if role is not None:
        if who is None:
            return _asked_to_log_in(request, posted)
        if not moderators.may(who.role, role):
            message = f"This is for the role {role}, and you are {who.role}. An admin can change that."
            raise PageError(403, TITLES[403], message)
    form = await _form(request) if posted else Form()
    if posted and role is not None and who is not None and not _same(form.one("csrf"), who.csrf):
        message = "You have logged in again since. Go back, load the page again, and repeat."
        raise PageError(403, "This form is of another session", message)
    answer = await to_thread.run_sync(handler, Call(request, here, who, form), limiter=limiter)
    return _with_headers(answer)


def _with_headers(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _asked_to_log_in(request: Request, posted: bool) -> Response:
    path, query = request.url.path, request.url.query
    wanted = "/console/" if posted else path + (f"?{query}" if query else "")
    return see(f"/console/login?next={quote(wanted, safe='')}")


def _who(request: Request, here: Service) -> Visitor | None:
    with here.store.session() as session:
        login = logins.find(session, token(request))
        if login is None:
            return None
        one = login.moderator
        found = Visitor(one.id, one.name, one.role, tuple(one.sites), preferences.of(one.preferences), login.csrf, one)
    if logins.stale(login):
        with here.store.writing() as session:
            logins.seen(session, login.sha256)
    return found


def _ours(request: Request) -> bool:
    """Whether a form was sent by a page of this host. Browsers say so, and pages cannot make them lie.

    Sec-Fetch-Site is what the browser saw, whatever a proxy makes of names; it is not sent over open lines.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    try:
        host = urlsplit(request.headers.get("origin", "")).netloc
        public = urlsplit(service.of(request).settings.public_url or "").netloc
    except ValueError:
        return False
    return bool(host) and host in (request.headers.get("host"), public)


async def _form(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise PageError(400, TITLES[400], "The console takes the forms of its own pages only.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise PageError(413, TITLES[413], "What you sent is longer than a megabyte.")
    try:
        pairs = parse_qsl(bytes(body).decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise PageError(413, TITLES[413], f"The form has more than {MOST_FIELDS:,} fields.") from None
    form = Form()
    for name, value in pairs:
        form.setdefault(name, []).append(LONE.sub("\ufffd", value).replace("\r\n", "\n"))
    return form
