"""The operator's commands of moderation: sites, hooks, the audit log, privacy and transparency."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from serving import settings
from serving.admin import opened
from serving.mendable import one_line_errors
from serving.moderation import audit as log
from serving.moderation import hooks as hooking
from serving.moderation import keeping
from serving.moderation import privacy as persons
from serving.moderation import sites as known
from serving.moderation import transparency as counting
from serving.moderation.tables import AuditEntry, Delivery
from serving.tables import cells

sites = typer.Typer(no_args_is_help=True, help="Make, change and list the sites that are moderated here.")
hooks = typer.Typer(no_args_is_help=True, help="Make, list and end webhooks; send again what could not be delivered.")
audit = typer.Typer(no_args_is_help=True, help="Show the audit log, and check that nothing in it was changed.")
privacy = typer.Typer(no_args_is_help=True, help="Export or erase what is held on a person; forget old texts.")

ACTOR = "command"
_Site = Annotated[str, typer.Argument(metavar="SITE", help="As `evenhand sites list` shows it.")]
_Hook = Annotated[str, typer.Argument(metavar="HOOK", help="As `evenhand hooks list` shows it.")]
_Author = Annotated[str | None, typer.Option(help="Id of an author in the comment system.", show_default=False)]
_Reporter = Annotated[str | None, typer.Option(help="Id of a reporter in the comment system.", show_default=False)]


@sites.command("create")
def create_site(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Its id in addresses: a-z, 0-9 and hyphens.")],
    name: Annotated[str, typer.Argument(help="As people know it.")],
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting and its value in JSON, repeatable: undo_seconds=600.")
    ] = None,
) -> None:
    """Make a site, or change its name; --set replaces all its settings, what is not named has its default again."""
    with one_line_errors(), opened() as store:
        chosen = known.read_settings(dict(map(_setting, setting))) if setting else None
        with store.writing() as session:
            known.put(session, site, name, chosen, ACTOR)
    typer.echo(f"site {site}: {name}")


@sites.command("list")
def list_sites() -> None:
    """Show all sites, and the settings that they chose themselves."""
    with one_line_errors(), opened() as store, store.session() as session:
        table = Table("id", "name", "settings", "created", box=None)
        for site in known.every(session):
            chosen = ", ".join(f"{name}={json.dumps(value)}" for name, value in site.settings.items())
            table.add_row(*cells(site.id, site.name, chosen, _moment(site.created_at)))
    Console().print(table)


@hooks.command("add")
def add_hook(
    site: _Site,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted.")],
    event: Annotated[list[str] | None, typer.Option(help="Only this event, repeatable; all if left out.")] = None,
) -> None:
    """Make a hook and print its secret, which signs what is sent: the only time that it can be seen."""
    with one_line_errors(), opened() as store:
        mode = settings.read().mode
        with store.writing() as session:
            hook = hooking.add(session, known.find(session, site).id, url, event or [], mode, ACTOR)
    typer.echo(f"hook {hook.id} of {site}: {', '.join(hook.events) or 'all events'}; write its secret down", err=True)
    typer.echo(hook.secret)


@hooks.command("list")
def list_hooks() -> None:
    """Show all hooks, without their secrets."""
    with one_line_errors(), opened() as store, store.session() as session:
        table = Table("id", "site", "url", "events", "created", box=None)
        for hook in hooking.every(session):
            events = ", ".join(hook.events) or "all"
            table.add_row(*cells(hook.id, hook.site_id, hook.url, events, _moment(hook.created_at)))
    Console().print(table)


@hooks.command("remove")
def remove_hook(hook: _Hook) -> None:
    """End a hook; what waits for it is given up."""
    with one_line_errors(), opened() as store, store.writing() as session:
        hooking.remove(session, hooking.find(session, hook), ACTOR)
    typer.echo(f"hook {hook} is removed")


@hooks.command("dead")
def dead(hook: _Hook) -> None:
    """Show what could not be delivered, and why: a status, or a kind of error."""
    with one_line_errors(), opened() as store, store.session() as session:
        wanted = hooking.dead(hooking.find(session, hook).id).order_by(Delivery.sequence)
        table = Table("sequence", "event", "written", "given up", "attempts", "problem", box=None)
        for row in session.scalars(wanted):
            moments = _moment(row.created_at), _moment(row.dead_at)
            table.add_row(*cells(str(row.sequence), row.event, *moments, str(row.attempts), row.problem or ""))
    Console().print(table)


@hooks.command("replay")
def replay(hook: _Hook) -> None:
    """Send all that was given up once more."""
    with one_line_errors(), opened() as store, store.writing() as session:
        count = hooking.replay(session, hooking.find(session, hook), ACTOR)
    typer.echo(f"{count} to be sent again")


@audit.command("verify")
def verify(
    head: Annotated[
        str | None, typer.Option(help="A head that was printed before: the entries up to it must be there yet.")
    ] = None,
) -> None:
    """Check that every entry is there as it was written; ends with code 1 if not. Keep the printed head elsewhere."""
    with one_line_errors(), opened() as store, store.session() as session:
        problems = list(log.verify(session))
        if head is not None and not log.holds(session, head.strip().lower()):
            problems.append("the entry of that head is missing: the end of the log was cut off, or it is another log")
        number, digest = log.head(session)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{number} entries as they were written; head {digest}")


@audit.command("show")
def show(
    site: Annotated[str | None, typer.Option(help="Of this site only.")] = None,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the latest.")] = 50,
) -> None:
    """Show the latest entries as JSON, one a line, oldest first."""
    with one_line_errors(), opened() as store, store.session() as session:
        wanted = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(last)
        rows = session.scalars(wanted.where(AuditEntry.site_id == site) if site else wanted).all()
    for row in reversed(rows):
        entry = {"number": row.number, "at": row.at.isoformat(), "actor": row.actor, "action": row.action}
        entry |= {"subject": row.subject, "site": row.site_id, "details": row.details, "hash": row.hash}
        typer.echo(json.dumps(entry))


@privacy.command("erase")
def erase(site: _Site, author: _Author = None, reporter: _Reporter = None) -> None:
    """Erase a person's texts, names and ids. Somebody who comments and reports: name both."""
    with one_line_errors(), opened() as store:
        people = _people(author, reporter)
        for role, person in people:
            with store.writing() as session:
                erased = persons.erase(session, known.find(session, site).id, role, person, ACTOR)
            typer.echo(
                f"{role}: {erased.persons or 'nobody'} erased, with {erased.texts} texts, "
                f"{erased.reports} reports' details and {erased.appeals} appeals"
            )
        store.forget()


@privacy.command("export")
def export(site: _Site, author: _Author = None, reporter: _Reporter = None) -> None:
    """Print all that is held on a person, as JSON."""
    with one_line_errors(), opened() as store, store.session() as session:
        found = [
            persons.export(session, known.find(session, site).id, role, person)
            for role, person in _people(author, reporter)
        ]
    if not any(found):
        typer.echo("evenhand: nothing is held on this person", err=True)
        raise typer.Exit(1)
    typer.echo(json.dumps([one for one in found if one], indent=2, ensure_ascii=False))


@privacy.command("retain")
def retain() -> None:
    """Forget texts older than their site's retention_days now; a running service does so once a day."""
    with one_line_errors(), opened() as store:
        counts = keeping.forget(store, ACTOR)
    for site, count in sorted(counts.items()):
        typer.echo(f"{site}: texts of {count} comments forgotten")


def transparency(
    site: _Site,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, in UTC.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")],
    format: Annotated[Literal["json", "csv"], typer.Option(help="How the counts are printed.")] = "csv",
) -> None:
    """Print the counts of a transparency report: reports, decisions, appeals of a period."""
    with one_line_errors(), opened() as store, store.session() as session:
        start, end = date(first.year, first.month, first.day), date(last.year, last.month, last.day)
        if start > end:
            raise ValueError("--to is before --from")
        found = counting.counts(session, known.find(session, site).id, start, end)
    typer.echo(counting.table(found) if format == "csv" else found.model_dump_json(indent=2), nl=format == "json")


def _people(author: str | None, reporter: str | None) -> list[tuple[persons.Role, str]]:
    named: list[tuple[persons.Role, str | None]] = [("author", author), ("reporter", reporter)]
    found = [(role, person) for role, person in named if person is not None]
    if not found:
        raise ValueError("name somebody: --author ID, --reporter ID, or both")
    return found


def _setting(given: str) -> tuple[str, object]:
    name, _, value = given.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a word without its quotes


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""
