"""The application: all dialects over one engine."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from serving import __version__, cors, handlers, language
from serving.access import Access
from serving.artifact import ArtifactError
from serving.console import pages as console
from serving.dialects import coral, native, openai, perspective, tei
from serving.direct import Direct
from serving.engine import Engine, Limits
from serving.errors import ApiError
from serving.keys import KeyRing
from serving.learning.following import Follower
from serving.metrics import Metrics
from serving.moderation import keeping
from serving.moderation import routes as moderation
from serving.moderation.sending import Sender
from serving.reader import script
from serving.reader.demo import pages as demo_pages
from serving.reader.demo.newspaper import Newspaper
from serving.requests import Requests
from serving.service import Service
from serving.settings import Settings
from serving.sites import Sites
from serving.store import Store

# Where clients ask for the scores of one comment, over and over.
DIRECT = {"/v1/score": native.score, perspective.ANALYZE: perspective.analyze_comment}

ROUTERS = (
    *(dialect.router for dialect in (native, perspective, openai, tei, coral)),
    *moderation.ROUTERS,
    console.router,
    script.router,
)


def create_app(settings: Settings, newspaper: Newspaper | None = None) -> FastAPI:
    """The application, with the pages of a demo newspaper if one is given. Verifies the artifact at once and loads it
    while the server already answers `/healthz`; `/readyz` says when a warm-up prediction has run. Opens the database
    when it starts.

    Raises ArtifactError, StoreError, and SitesError for a bad file of Coral sites.
    """
    metrics, store = Metrics(), Store(settings.database_url)
    limits = Limits(settings.queue, settings.deadline_ms / 1000, settings.batch_wait_ms / 1000, settings.cache)
    engine = Engine(settings.model, metrics, limits, settings.threads, settings.workers)
    access = Access(KeyRing(store) if settings.mode == "keys" else None)
    sites = Sites.load(settings.coral, strict=settings.mode == "keys")
    service = Service(settings, metrics, engine, access, store, sites)

    follower = Follower(store, engine, settings.model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(store.open)
        service.writer.start()
        loading = asyncio.create_task(_start(engine, await asyncio.to_thread(follower.promoted), settings.model))
        tasks = {asyncio.create_task(follower.run())}
        # An event loop without signals (Windows, or not in the main thread) has `evenhand reload`.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: tasks.add(asyncio.create_task(_reload(service))))
        sender = Sender(store, metrics, settings.mode)
        sending = asyncio.create_task(sender.run())
        tasks.add(asyncio.create_task(keeping.run(store)))
        if newspaper:
            tasks.add(asyncio.create_task(newspaper.open()))
        yield
        sender.stop()
        await asyncio.gather(sending, return_exceptions=True)
        for task in (loading, *tasks):
            task.cancel()
        await asyncio.gather(loading, *tasks, return_exceptions=True)
        service.marker.stop()
        await engine.stop()
        await asyncio.to_thread(service.writer.stop)
        store.close()

    app = FastAPIOffline(
        title="evenhand",
        version=__version__,
        summary="Scores readers' comments for incivility, report-worthiness and quality.",
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would be an answer without the error shape
        # Spans would hold query strings, where keys may be; and looking whether any are wanted costs time each time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    routers = [*ROUTERS]
    if newspaper:
        app.state.newspaper = newspaper
        routers.append(demo_pages.router)
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes]
    app.add_middleware(cors.BrowserCalls)
    handlers.install(app)
    _surround(app, lambda inner: Requests(inner, metrics, settings.max_body_bytes, settings.max_header_bytes))
    _describe_keys(app)
    return app


async def _start(engine: Engine, promoted: Path | None, default: Path | None) -> None:
    log = structlog.get_logger()
    try:
        await asyncio.to_thread(language.load)
        try:
            await engine.start(promoted)
        except ArtifactError as error:
            if promoted is None:
                raise
            log.error("the promoted model is refused; that of the settings answers", reason=str(error))
            await engine.use(default)
    except Exception as error:  # whatever it is, the service stays up, not ready, and says so
        reason = str(error) if isinstance(error, ArtifactError) else type(error).__name__
        log.error("the model cannot be loaded; the service stays not ready", reason=reason)
        return
    gc.collect()
    gc.freeze()  # what lives as long as the service: looking through it again stops every request for 30 ms
    gc.set_threshold(20_000, 20, 20)  # requests under way are not garbage: Python's 700 looks through them many times
    log.info("ready", model=engine.manifest.name, version=engine.manifest.version)


async def _reload(service: Service) -> None:
    with suppress(ApiError):  # logged where it is raised
        await native.reloaded(service)


def _surround(app: FastAPI, requests: Callable[[ASGIApp], ASGIApp]) -> None:
    """Puts our middleware and the short way around the framework's own layers; `add_middleware` would put it inside."""
    plain = app.build_middleware_stack
    app.build_middleware_stack = lambda: requests(Direct(plain(), DIRECT))  # type: ignore[method-assign]


def _describe_keys(app: FastAPI) -> None:
    """Adds the ways to send a key to the OpenAPI document; FastAPI's own security classes would check twice."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        document.setdefault("components", {})["securitySchemes"] = {
            "query": {"type": "apiKey", "in": "query", "name": "key"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        document["security"] = [{}, {"query": []}, {"header": []}, {"bearer": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
