"""The console's dialect: an error is a page."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse

from serving.console.errors import ADVICE, TITLES, PageError
from serving.console.rendering import HEADERS, render
from serving.dialects.dialect import Dialect, request_id
from serving.errors import ApiError


def _page(error: ApiError, request: HTTPConnection) -> tuple[int, str]:
    status = error.status_code
    page = render(
        "error.html",
        me=None,
        here=request.url.path,
        token="",
        title=error.title if isinstance(error, PageError) else TITLES.get(status, "That did not work"),
        message=error.message if isinstance(error, PageError) else ADVICE.get(status, error.message),
        back=error.back if isinstance(error, PageError) else "/console/queue",
        request_id=request_id(request),
    )
    return status, page


PREFIXES = ("/console", "/console/")
DIALECT = Dialect("console", PREFIXES, _page, headers=lambda error: dict(HEADERS), response=HTMLResponse)
