"""What moderators choose for themselves: blurred text, keys, colours, and their password."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.desk import Call, Desk, see
from serving.console.errors import nothing
from serving.moderation import moderators, preferences
from serving.moderation.moderators import ModeratorError
from serving.moderation.tables import Moderator

desk = Desk()
PATH = "/console/preferences"


@desk.get(PATH, "moderator")
def show(call: Call) -> Response:
    """The preferences."""
    return call.page("preferences.html", saved="saved" in call.query, problem=None)


@desk.post(PATH, "moderator")
def save(call: Call) -> Response:
    """Keeps the preferences."""
    theme = call.form.one("theme", "system")
    chosen = preferences.of({"blur": "blur" in call.form, "keys": "keys" in call.form, "theme": theme})
    with call.store.writing() as session:
        row = session.get(Moderator, call.me.id)
        if row is None:
            raise nothing()
        row.preferences = {**row.preferences, **chosen.model_dump()}
    return see(f"{PATH}?saved")


@desk.post(f"{PATH}/password", "moderator")
def password(call: Call) -> Response:
    """Changes the moderator's own password, with the old one; all sessions end, this one too."""
    old, new, again = (call.form.get(name, [""])[-1] for name in ("old", "new", "again"))
    problem = None
    if call.here.attempts.allow(call.me.name, f"account {call.me.id}") is not None:
        problem = "Too many attempts. Try again in a quarter of an hour."
    elif not moderators.verify(call.me.moderator, old):
        problem = "The old password is not right."
    elif new != again:
        problem = "The new password is not the same twice."
    else:
        try:
            with call.store.writing() as session:
                row = session.get(Moderator, call.me.id)
                if row is None:
                    raise nothing()
                moderators.set_password(session, row, new, call.me.actor)
            return see("/console/login")
        except ModeratorError as error:
            problem = f"New {error}."
    return call.page("preferences.html", 422, saved=False, problem=problem)
