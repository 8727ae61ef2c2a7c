"""What goes wrong in the console, said on a page: what happened, and what to do."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse

from serving.console.rendering import HEADERS, render
from serving.dialects.dialect import Dialect, request_id
from serving.errors import ApiError

TITLES = {
    400: "That could not be read",
    403: "Not with your role",
    404: "Nothing is here",
    405: "Not in this way",
    413: "That is too much at once",
    422: "Something is missing",
    429: "Too often",
    500: "The service failed",
    503: "Not at the moment",
}
ADVICE = {
    404: "The address may be old, or it is of a site that you do not work on. The queue has what there is to do.",
    405: "This address takes forms only. Go back and use its button.",
    500: "Nothing was changed. Try again; if it happens again, tell your administrator the number below.",
}


class PageError(ApiError):
    """Ends a request of the console with a page. `message` says what to do; `back` is a path of the console."""

    def __init__(self, status: int, title: str, message: str, back: str = "/console/queue") -> None:
        super().__init__(status, "console", message)
        self.title, self.back = title, back


def nothing() -> PageError:
    """What is asked for does not exist, or is of a site that this moderator does not work on: it is the same answer."""
    return PageError(404, TITLES[404], ADVICE[404])


def _page(error: ApiError, request: HTTPConnection) -> tuple[int, Any]:
    status = error.status_code
    page = render(
        "error.html",
        title=getattr(error, "title", TITLES.get(status, "That did not work")),
        message=error.message if isinstance(error, PageError) else ADVICE.get(status, error.message),
        back=getattr(error, "back", "/console/queue"),
        request_id=request_id(request),
    )
    return status, page


DIALECT = Dialect(
    "console", ("/console", "/console/"), _page, headers=lambda error: dict(HEADERS), response=HTMLResponse
)
