"""Policy: a site's rules as versions of one text; save a draft, test it, put it in shadow or live."""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy.orm import Session
from starlette.responses import Response

from serving import policy as rules
from serving.console.desk import Call, Desk, see
from serving.console.errors import PageError, nothing
from serving.moderation import moderators, policies, sites
from serving.moderation.problems import ModerationError
from serving.moderation.tables import PolicyState
from serving.paths import NUMBER
from serving.policy import PolicyError
from serving.policy.backtest import ACTIONS
from serving.policy.words import describe

desk = Desk()
PATH = "/console/policy"
TESTED = 5000  # comments of a backtest, the latest
LONGEST = 100_000  # characters of a policy
STATES: tuple[PolicyState, ...] = get_args(PolicyState)


@desk.get(PATH, "editor", navigation="Policy")
def show(call: Call) -> Response:
    """A site's versions, and the text to go on from: that of `?version=`, or of the live one."""
    with call.store.session() as session:
        site = _site(session, call, call.query.get("site"))
        source = _source(session, site, call.query.get("version")) if site else ""
        return _page(call, session, site, source)


@desk.post(PATH, "editor")
def save(call: Call) -> Response:
    """Tests a text (`do=test`), or keeps it as the next version, a draft."""
    form = call.form
    source = (form.get("source") or [""])[-1]
    with call.store.session() as session:
        site = _site(session, call, form.one("site"))
        if not site or len(source) > LONGEST:
            raise PageError(422, "Something is missing", f"Choose a site, and at most {LONGEST:,} characters.", PATH)
        try:
            if form.one("do") == "test":
                report = policies.backtest(session, site, source, limit=TESTED)
                return _page(call, session, site, source, report=report, words=describe(rules.parse(source)))
            rules.parse(source)
        except PolicyError as error:
            return _page(call, session, site, source, problem=str(error))
    try:
        with call.store.writing() as session:
            note = form.one("note") or None
            made = policies.save(session, site, source, actor=call.me.actor, note=note, moderator_id=call.me.id)
            version = made.version
    except ModerationError as error:
        raise PageError(422, "Something is missing", f"{error}.".capitalize(), PATH) from None
    return see(f"{PATH}?site={site}&version={version}")


@desk.post(f"{PATH}/{{site}}/{{version:{NUMBER}}}", "editor")
def change(call: Call) -> Response:
    """Puts a version into another state."""
    with call.store.session() as session:
        site = _site(session, call, call.path["site"])
    state = next((one for one in STATES if one == call.form.one("state")), None)
    version = int(call.path["version"])
    if state is None or site is None or version > 2**31 - 1:
        raise nothing()
    try:
        with call.store.writing() as session:
            policies.change(session, site, version, state, actor=call.me.actor)
    except (ModerationError, PolicyError) as error:
        raise PageError(409, "Not as things stand", f"{error}.".capitalize(), f"{PATH}?site={site}") from None
    return see(f"{PATH}?site={site}")


def _site(session: Session, call: Call, wanted: str | None) -> str | None:
    seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
    if wanted and wanted not in seen:
        raise nothing()
    return wanted or (seen[0] if seen else None)


def _source(session: Session, site: str, version: str | None) -> str:
    if version and version.isdecimal() and len(version) < 9:
        try:
            return policies.find(session, site, int(version)).source
        except ModerationError:
            raise nothing() from None
    live = [row for row in policies.versions(session, site) if row.state == "live"]
    return live[0].source if live else rules.DEFAULT_SOURCE


def _page(
    call: Call, session: Session, site: str | None, source: str, problem: str | None = None, **tested: Any
) -> Response:
    versions = policies.versions(session, site) if site else []
    context: dict[str, Any] = {"report": None, "words": describe(policies.live(session, site).policy) if site else []}
    context |= tested
    return call.page(
        "policy.html",
        422 if problem else 200,
        sites=[one.id for one in sites.every(session) if call.me.sees(one.id)],
        site=site,
        source=source,
        versions=versions,
        changes=policies.CHANGES,
        names={one.id: one.name for one in moderators.every(session)},
        shadowed={
            one.version: policies.shadowed(session, one.site_id, one.version)
            for one in versions
            if one.state == "shadow"
        },
        problem=problem,
        actions=ACTIONS,
        tested=TESTED,
        **context,
    )
