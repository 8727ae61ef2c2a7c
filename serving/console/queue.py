"""The queue: what there is to look at, the likeliest to be upheld first."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.desk import Call, Desk

desk = Desk()


@desk.get("/console/queue", "moderator", navigation="Queue")
def queue(call: Call) -> Response:
    """The open cases of the moderator's sites."""
    return call.page("queue.html")
