"""`evenhand labels` and `evenhand model`: labels out, a candidate in, compared, promoted, rolled back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from serving import settings
from serving.admin import opened
from serving.artifact import MANIFEST
from serving.learning import agreement, models
from serving.learning import labels as learnt
from serving.learning.models import ModelError
from serving.mendable import one_line_errors
from serving.moderation import sites
from serving.moderation.tables import Model
from serving.statistics import Interval
from serving.store import Store, now
from serving.tables import cells, plain
from serving.target import OutputError, replaced, resolved

ACTOR = "command"

labels = typer.Typer(no_args_is_help=True, help="Write decisions as labelled rows for training.")
model = typer.Typer(no_args_is_help=True, help="Try a new model in the shadow of the old one; promote it, roll back.")

_Site = Annotated[str | None, typer.Option(help="Only this site's; all sites and feedback if left out.")]


@labels.command("export")
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="JSON lines to write.")],
    site: _Site = None,
    since: Annotated[datetime | None, typer.Option(help="Only decisions from this moment on (UTC).")] = None,
) -> None:
    """Write moderators' decisions, appeals and feedback as labelled comments."""
    with one_line_errors(), opened() as store:
        moment = since.replace(tzinfo=now().tzinfo) if since else None
        counts: dict[str, int] = {}
        if output.suffix != ".jsonl":  # by it training.prepare knows how to read the file
            raise OutputError(output, "expected a name that ends in .jsonl")
        with store.session() as session, replaced(resolved(output)) as file:
            if site is not None:
                sites.find(session, site)
            for label in learnt.export(session, site, moment):
                file.write(json.dumps(label.row(), ensure_ascii=False).encode() + b"\n")
                counts[label.provenance] = counts.get(label.provenance, 0) + 1
    told = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "none"
    typer.echo(f"{sum(counts.values())} labelled comments in {output}: {told}")


@model.command("list")
def every() -> None:
    """Show which models were put to use, newest first, and which of them are not there any more."""
    with one_line_errors(), opened() as store, store.session() as session:
        rows = [(str(m.id), m.name, m.state, _minute(m.changed_at), _directory(m)) for m in models.history(session)]
        name, path = _answering(store)
    table = Table("id", "model", "state", "since (UTC)", "directory", box=None)
    for row in rows:
        table.add_row(*cells(*row))
    table.add_row(*cells("", name, "answers", "", str(path)))
    Console().print(table)


@model.command("shadow")
def shadow(
    directory: Annotated[Path | None, typer.Argument(help="The candidate's artifact directory.")] = None,
    end: Annotated[bool, typer.Option("--end", help="Take the candidate out of the shadow.")] = False,
) -> None:
    """Let a candidate score what is stored and what comes, beside the live model, and decide nothing."""
    with one_line_errors(), opened() as store:
        if end is (directory is not None):
            raise ModelError("expected either a DIRECTORY or --end")
        name, _ = _answering(store)
        with store.writing() as session:
            if directory is None:
                found = models.withdraw(session, ACTOR)
            else:
                found = models.shadow(session, directory, name, ACTOR)
    typer.echo(f"{found.name} is {'no longer ' if directory is None else ''}in the shadow of {name}")


@model.command("compare")
def compare(
    site: _Site = None,
    since: Annotated[datetime | None, typer.Option(help="Decisions from then on (UTC), not since it came.")] = None,
    evaluation: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="evaluation.json of the live model and of the candidate, for the standing evaluation."),
    ] = None,
) -> None:
    """Compare the candidate with the live model: on the decisions since it came, and on the standing evaluation."""
    with one_line_errors(), opened() as store:
        name, _ = _answering(store)
        with store.session() as session:
            candidate = models.candidate(session)
            if candidate is None:
                raise ModelError("no model is in shadow; put one there with: evenhand model shadow DIRECTORY")
            moment = since.replace(tzinfo=now().tzinfo) if since else candidate.added_at
            found = agreement.compare(session, name, candidate.name, moment, site)
        standing = agreement.standing(*evaluation) if evaluation else []
    console = Console()
    table = Table("", name, candidate.name, "candidate less live", box=None)
    table.add_row("AUC of report_worthy", *map(_interval, found.auc))
    table.add_row("log loss of report_worthy", *map(_interval, found.log_loss))
    console.print(f"{found.decisions} decisions since {_minute(moment)} UTC, {found.removed} of them removals")
    if found.enough:
        console.print(table)
    else:
        console.print(f"Too few to compare: {agreement.FEWEST} removals and as many other decisions are needed.")
    if standing:
        table = Table("standing evaluation", name, candidate.name, box=None)
        for what, ours, theirs in standing:
            table.add_row(what, _interval(ours), _interval(theirs))
        console.print(table)
    elif not evaluation:
        console.print("Standing evaluation: name two files with --evaluation LIVE CANDIDATE.")


@model.command("promote")
def promote() -> None:
    """Make the candidate the live model. Running services change over within seconds, and lose no request."""
    with one_line_errors(), opened() as store, store.writing() as session:
        name = models.promote(session, ACTOR).name
    typer.echo(f"{name} is live")


@model.command("rollback")
def rollback() -> None:
    """Go back to the model before the live one."""
    with one_line_errors(), opened() as store:
        with store.writing() as session:
            models.rollback(session, ACTOR)
        name, _ = _answering(store)
    typer.echo(f"{name} is live again")


def _answering(store: Store) -> tuple[str, Path]:
    """What the live model's scores are called, and its directory."""
    with store.session() as session:
        artifact = models.answering(session, settings.read().model, refused)
    return models.called(artifact.manifest), artifact.path


def refused(why: str) -> None:
    """Says that the promoted model does not answer."""
    typer.echo(f"evenhand: the promoted model is refused, that of the settings answers: {plain(why)}", err=True)


def _directory(model: Model) -> str:
    return model.path if (Path(model.path) / MANIFEST).is_file() else f"{model.path} (missing)"


def _interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
