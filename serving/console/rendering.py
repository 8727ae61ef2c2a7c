"""Templates and static files of the console, and the headers that its pages are sent with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.console import words
from serving.moderation import moderators
from serving.store import now

if TYPE_CHECKING:
    from serving.console.desk import Desk

# No inline script or style, nothing from elsewhere, in nobody's frame. Under `no-referrer` browsers would send forms
# with `Origin: null`, which tells nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

STATIC: dict[str, tuple[bytes, str]] = {}  # name with a hash of the content -> content and type
_named: dict[str, str] = {}
for _file in resources.files("serving.console").joinpath("static").iterdir():
    _stem, _, _kind = _file.name.rpartition(".")
    if _kind in TYPES:
        _content = _file.read_bytes()
        _named[_file.name] = f"{_stem}.{hashlib.sha256(_content).hexdigest()[:12]}.{_kind}"
        STATIC[_named[_file.name]] = (_content, TYPES[_kind])

environment = Environment(
    loader=PackageLoader("serving.console"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,  # a new version comes with a new process
    trim_blocks=True,
    lstrip_blocks=True,
)


def static(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for good."""
    return f"/console/static/{_named[name]}"


def render(template: str, **context: Any) -> str:
    """A page. What a template does not find is an error, never a blank."""
    return environment.get_template(template).render(context)


def show_in_navigation(pages: Iterable[Desk]) -> None:
    """Tells the templates which pages there are, in order."""
    environment.globals["navigation"] = [item for page in pages for item in page.navigation]


def ago(moment: datetime, at: datetime | None = None) -> str:
    """How long a moment is past, in one unit: 40 s, 5 min, 3 h, 12 d."""
    seconds = max(0, int(((at or now()) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock(moment: datetime) -> str:
    """A moment as people read it; UTC, as the server cannot know where its reader is."""
    return moment.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def iso(moment: datetime) -> str:
    """A moment for machines."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def percent(share: float) -> str:
    """A share of 0..1 in whole percent; never 0 or 100 for what is not certain."""
    number = round(share * 100)
    if number == 0 and share > 0:
        return "<1%"
    if number == 100 and share < 1:
        return ">99%"
    return f"{number}%"


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 report, 2 reports."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def web(address: str | None) -> str | None:
    """An address that a link may lead to; None for another scheme than http, such as javascript."""
    return address if address and address.lower().startswith(("https://", "http://")) else None


environment.globals |= {"static": static, "may": moderators.may, "navigation": [], "now": now, "words": words}
environment.filters |= {
    "ago": ago, "clock": clock, "counted": counted, "iso": iso, "percent": percent, "plain": words.plain, "web": web,
}  # fmt: skip
