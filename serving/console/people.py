"""People: who may log in, in which role and for which sites."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session
from starlette.responses import Response

from serving.console.desk import Call, Desk, see
from serving.console.errors import nothing
from serving.moderation import moderators, sites
from serving.moderation.moderators import ROLES, ModeratorError
from serving.moderation.tables import Moderator
from serving.paths import NUMBER

desk = Desk()
PATH = "/console/people"


@desk.get(PATH, "admin", navigation="People")
def show(call: Call) -> Response:
    """All accounts."""
    return _page(call)


@desk.post(PATH, "admin")
def create(call: Call) -> Response:
    """Makes an account."""
    form = call.form
    try:
        with call.store.writing() as session:
            password = (form.get("password") or [""])[-1]
            chosen = form.get("site", [])
            moderators.create(session, form.one("name"), password, form.one("role"), chosen, call.me.actor)
    except ModeratorError as error:
        return _page(call, f"{error}.", {"name": form.one("name"), "role": form.one("role")})
    return see(PATH)


@desk.post(f"{PATH}/{{id:{NUMBER}}}", "admin")
def change(call: Call) -> Response:
    """Changes an account: role and sites, whether it may log in, or its password."""
    form = call.form
    try:
        with call.store.writing() as session:
            row = _account(session, call)
            match form.one("do"):
                case "disable":
                    moderators.disable(session, row, call.me.actor)
                case "enable":
                    moderators.enable(session, row, call.me.actor)
                case "password":
                    moderators.set_password(session, row, (form.get("password") or [""])[-1], call.me.actor)
                case _:
                    moderators.change(session, row, form.one("role"), form.get("site", []), call.me.actor)
    except ModeratorError as error:
        return _page(call, f"{error}.")
    return see(PATH)


def _account(session: Session, call: Call) -> Moderator:
    row = session.get(Moderator, int(call.path["id"]))
    if row is None:
        raise nothing()
    return row


def _page(call: Call, problem: str | None = None, given: dict[str, Any] | None = None) -> Response:
    with call.store.session() as session:
        return call.page(
            "people.html",
            422 if problem else 200,
            people=moderators.every(session),
            sites=[site.id for site in sites.every(session)],
            roles=ROLES,
            problem=problem,
            given=given or {"name": "", "role": "moderator"},
        )
