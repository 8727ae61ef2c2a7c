"""Forgets what sites keep no longer, once a day while the service runs."""

from __future__ import annotations

import asyncio

import structlog
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from serving.moderation import audit, privacy, sites
from serving.store import Store, cause, now

EVERY_SECONDS = 24 * 3600.0
FIRST_SECONDS = 60.0  # after the start, which has other work to do


async def run(store: Store) -> None:
    """Keeps to every site's retention_days, until cancelled. Several replicas do no harm to each other."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        try:
            await to_thread.run_sync(forget, store, "retention")
        except SQLAlchemyError as error:
            structlog.get_logger().error("texts are kept too long: the database failed", **cause(error))
        await asyncio.sleep(EVERY_SECONDS)


def forget(store: Store, actor: str) -> dict[str, int]:
    """Erases texts past their retention, in small transactions; of how many comments, by site that has any."""
    with store.session() as session:
        found = [site.id for site in sites.every(session) if sites.settings(site).retention_days is not None]
    counts: dict[str, int] = {}
    for site_id in found:
        while True:
            with store.writing() as session:
                count = privacy.retain(session, sites.find(session, site_id), now())
                if not count:
                    break
                details = {"comments": count}
                audit.append(session, actor, "texts.forgotten", f"site:{site_id}", site=site_id, details=details)
            counts[site_id] = counts.get(site_id, 0) + count
    if counts or store.owed:
        store.forget()
    return counts
