"""Insights: volumes, agreement, drift, readers, waiting and appeals, of the sites that an editor works on."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.desk import Call, Desk
from serving.console.errors import nothing
from serving.moderation import insights, sites
from serving.store import now

desk = Desk()


@desk.get("/console/insights", "editor", navigation="Insights")
def show(call: Call) -> Response:
    """All figures, of one site with `?site=`."""
    moment = now()
    with call.store.session() as session:
        seen = [site.id for site in sites.every(session) if call.me.sees(site.id)]
        wanted = call.query.get("site") or None
        if wanted and wanted not in seen:
            raise nothing()
        chosen = [wanted] if wanted else seen
        attributes = call.here.engine.attributes
        weeks = insights.weeks(session, chosen, moment)
        return call.page(
            "insights.html",
            sites=seen,
            site=wanted,
            weeks=weeks,
            agreed_shares=[None if week.agreed is None else round(100 * week.agreed) for week in weeks],
            medians=[None if week.median_hours is None else round(week.median_hours, 1) for week in weeks],
            slowest=[None if week.slow_hours is None else round(week.slow_hours, 1) for week in weeks],
            agreement=insights.agreement(session, chosen, attributes, moment),
            drift=insights.drift(session, chosen, attributes, moment),
            readers=insights.readers(session, chosen),
            agreed=insights.AGREED,
        )
