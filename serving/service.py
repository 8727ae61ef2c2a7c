"""What a running service is made of, as its routes find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import Request

from serving.access import Access
from serving.engine import Engine, Scored
from serving.keys import Key, Scope
from serving.marking import Marker
from serving.metrics import Metrics
from serving.moderation.logins import Attempts
from serving.moderation.ranking import Ranker
from serving.settings import Settings
from serving.sites import Sites
from serving.store import Store
from serving.writer import Writer


@dataclass
class Service:
    """The parts of one application."""

    settings: Settings
    metrics: Metrics
    engine: Engine
    access: Access
    store: Store
    sites: Sites = field(default_factory=Sites)
    attempts: Attempts = field(default_factory=Attempts)
    marker: Marker = field(init=False)
    writer: Writer = field(init=False)
    ranker: Ranker = field(init=False)

    def __post_init__(self) -> None:
        self.writer, self.ranker = Writer(self.store), Ranker(self.store)
        self.marker = Marker(self.engine, self.metrics, self.settings.deadline_ms / 1000)

    async def admit(self, request: Request, scope: Scope, own: Sequence[str] = ()) -> Key | None:
        """Checks the caller's key (`own` as in `Access.check`), and whether there is room: an overloaded service
        refuses before it reads a body.

        Raises ApiError, and BusyError for the scope `score`.
        """
        key = await self.access.check(request, scope, own)
        if scope == "score":
            self.engine.check_room()
        return key

    async def score(self, request: Request, key: Key | None, texts: Sequence[str], cost: int | None = None) -> Scored:
        """Scores for a caller: spends `cost` comments (default: one a text) of its minute, then asks the engine.

        Raises ApiError and EngineError.
        """
        self.access.spend(key, len(texts) if cost is None else cost)
        scored = await self.engine.score(texts)
        request.state.answer_headers = self.access.remaining(key)
        return scored


def of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service
