"""What goes wrong in the console, said on a page: what happened, and what to do."""

from __future__ import annotations

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
