"""Which model answers, which one runs in its shadow, and how that changes: one command each, in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving import settings
from serving.artifact import MANIFEST, Artifact, ArtifactError, Manifest, sha256
from serving.moderation import audit
from serving.moderation.tables import Model, ModelState
from serving.store import now


class ModelError(ValueError):
    """A model cannot be put to use, or there is none to go back to. The message says why."""


def called(manifest: Manifest) -> str:
    """How scores name their model: its name and version."""
    return f"{manifest.name} {manifest.version}"


def live(session: Session) -> Model | None:
    """The promoted model; None, the one of the settings answers."""
    return _in(session, "live")


def answering(session: Session, default: Path | None, refused: Callable[[str], None]) -> Artifact:
    """The model that answers, as for a service that starts: the promoted one, else `default`, that of the settings.
    That one too if the promoted one cannot be used; `refused` is told why. Raises SettingsError, ArtifactError.
    """
    promoted = live(session)
    if promoted is not None:
        try:
            return Artifact.load(Path(promoted.path))
        except ArtifactError as error:
            refused(str(error))
    try:
        return Artifact.load(default)
    except ArtifactError as error:
        raise settings.blame("model", error) if default else error from None


def candidate(session: Session) -> Model | None:
    """The model in shadow."""
    return _in(session, "shadow")


def history(session: Session) -> list[Model]:
    """All models that were ever put to use here, newest first."""
    return list(session.scalars(select(Model).order_by(Model.id.desc())))


def shadow(session: Session, path: Path, answering: str, actor: str) -> Model:
    """Puts a verified artifact into the shadow of the one that answers: it scores what is stored, and decides nothing.

    `answering` is what the live model's scores are called: two models of one name could not be told apart.
    Raises ArtifactError, and ModelError for a name that is taken.
    """
    artifact = Artifact.load(path)
    name = called(artifact.manifest)
    if name == answering:
        raise ModelError(f"{path}: {name} is what the live model is called; give the candidate another version")
    digest = sha256(path / MANIFEST)
    if any(model.name == name and model.sha256 != digest for model in history(session)):
        raise ModelError(f"{path}: another model was called {name} here; give this one another version")
    if (former := candidate(session)) is not None:
        _put(session, former, "retired")
    model = Model(path=str(path.resolve()), name=name, sha256=digest, state="shadow")
    session.add(model)
    session.flush()
    _note(session, actor, "model.shadowed", model)
    return model


def withdraw(session: Session, actor: str) -> Model:
    """Takes the candidate out of the shadow. Raises ModelError if there is none."""
    model = _candidate(session)
    _put(session, model, "retired")
    _note(session, actor, "model.withdrawn", model)
    return model


def promote(session: Session, actor: str) -> Model:
    """Makes the candidate the model that answers. Raises ModelError, ArtifactError if its files have changed since."""
    model = _candidate(session)
    _verify(model)
    former = live(session)
    if former is not None:
        _put(session, former, "retired")
    model.replaced_id = former.id if former else None
    _put(session, model, "live")
    _note(session, actor, "model.promoted", model)
    return model


def rollback(session: Session, actor: str) -> Model | None:
    """Goes back to the model that the live one replaced; None, to that of the settings.

    Raises ModelError if none was promoted, ArtifactError if the former one's files have changed.
    """
    model = live(session)
    if model is None:
        raise ModelError("no model was promoted; the one of the settings answers")
    former = session.get(Model, model.replaced_id) if model.replaced_id else None
    if former is not None:
        _verify(former)
    _put(session, model, "retired")
    if former is not None:
        _put(session, former, "live")
    _note(session, actor, "model.rolled_back", model)
    return former


def _in(session: Session, state: ModelState) -> Model | None:
    return session.scalars(select(Model).where(Model.state == state)).first()


def _candidate(session: Session) -> Model:
    model = candidate(session)
    if model is None:
        raise ModelError("no model is in shadow; put one there with: evenhand model shadow DIRECTORY")
    return model


def _verify(model: Model) -> None:
    path = Path(model.path)
    Artifact.load(path)
    if sha256(path / MANIFEST) != model.sha256:
        raise ModelError(f"{path} is not the model that was put in shadow: its manifest has changed")


def _put(session: Session, model: Model, state: ModelState) -> None:
    model.state, model.changed_at = state, now()
    session.flush()  # one at a time: the database allows one live and one shadow


def _note(session: Session, actor: str, action: str, model: Model) -> None:
    audit.append(session, actor, action, f"model:{model.id}", details={"name": model.name, "sha256": model.sha256})
