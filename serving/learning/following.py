"""What a running service does about models that are promoted, rolled back or put in shadow: it follows the database.

Every replica looks every few seconds, so that one command on one machine changes all of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from sqlalchemy import exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from serving.artifact import Artifact, ArtifactError
from serving.engine import Engine, EngineError
from serving.learning import models
from serving.moderation.tables import Revision, RevisionScores
from serving.scorer import Scorer
from serving.store import Store, cause, now

EVERY = 2.0  # seconds
UNDER_WAY = 500  # ids
BATCH = 32  # revisions that the candidate scores at a time


class Follower:
    """Keeps one engine on the live model, and scores stored revisions with the candidate while the engine is idle."""

    def __init__(self, store: Store, engine: Engine, default: Path | None) -> None:
        """`default`: the artifact of the settings, which answers while none is promoted."""
        self._store, self._engine, self._default = store, engine, default
        self._live: str | None = None  # path that the engine was told, None: the default
        self._refused = ""  # path of a promoted model that could not be loaded
        self._candidate: tuple[str, Scorer] | None = None
        self._failed = ""  # path of a candidate that could not score what is stored
        self._newest, self._oldest = 0, 0  # ids; what lies between them has the candidate's scores

    def promoted(self) -> Path | None:
        """The directory of the model that was promoted, for the engine to start with; None if none was."""
        self._live, _ = self._read()
        return Path(self._live) if self._live else None

    async def run(self) -> None:
        """Follows until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self._follow()
                while self._engine.idle and await asyncio.to_thread(self._score):
                    await asyncio.sleep(0)
            except SQLAlchemyError as error:
                structlog.get_logger().warning("models cannot be looked up", **cause(error))

    async def _follow(self) -> None:
        log = structlog.get_logger()
        live, candidate = await asyncio.to_thread(self._read)
        if live not in (self._live, self._refused):
            try:
                manifest = await self._engine.use(Path(live) if live else self._default)
            except (ArtifactError, EngineError) as error:
                self._refused = live or ""
                log.error("the promoted model is refused; the old one answers on", reason=str(error))
            else:
                self._live, self._refused = live, ""
                log.info("model loaded", model=manifest.name, version=manifest.version)
        if candidate != (self._candidate and self._candidate[0]):
            self._candidate = None
            if candidate:
                try:
                    scorer = await asyncio.to_thread(lambda: Scorer(Artifact.load(Path(candidate)), 1))
                except ArtifactError as error:
                    log.error("the candidate cannot be loaded", reason=str(error))
                    return
                self._candidate, self._newest, self._oldest = (candidate, scorer), 0, 0

    def _read(self) -> tuple[str | None, str | None]:
        with self._store.session() as session:
            live, candidate = models.live(session), models.candidate(session)
            return live.path if live else None, candidate.path if candidate else None

    def _score(self) -> bool:
        """Scores some stored revisions that the candidate has not seen: new ones first, then back into the past.

        Returns whether there may be more.
        """
        if self._candidate is None or self._candidate[0] == self._failed:
            return False
        path, scorer = self._candidate
        name = models.called(scorer.manifest)
        known = exists().where(RevisionScores.revision_id == Revision.id, RevisionScores.model == name)
        chosen = select(Revision.id, Revision.text).where(Revision.text.is_not(None), ~known).limit(BATCH)
        with self._store.session() as session:
            if not self._newest:
                self._newest = session.scalar(select(func.max(Revision.id))) or 0
                self._oldest = self._newest + 1
            # Transactions end in another order than their numbers: look back over those that were under way.
            late = chosen.where(Revision.id > self._newest - UNDER_WAY, Revision.id >= self._oldest)
            rows = session.execute(late.order_by(Revision.id)).all()
            if rows:
                self._newest = max(self._newest, rows[-1].id)
            else:
                rows = session.execute(chosen.where(Revision.id < self._oldest).order_by(Revision.id.desc())).all()
                self._oldest = rows[-1].id if rows else 0
        if not rows:
            return False
        try:
            scores = scorer.score([row.text for row in rows])
        except Exception as error:  # whatever the runtime raises: what is promoted must be followed all the same
            self._failed = path
            log = structlog.get_logger()
            log.error("the candidate cannot score what is stored and is left alone", type=type(error).__name__)
            return False
        values = [
            {"revision_id": row.id, "model": name, "shadow": True, "scores": dict(each), "created_at": now()}
            for row, each in zip(rows, scores, strict=True)
        ]
        with self._store.writing() as session:
            insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            session.execute(insert(RevisionScores).on_conflict_do_nothing(), values)  # another replica may be as far
        return True
