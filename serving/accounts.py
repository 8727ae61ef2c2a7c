"""The commands `evenhand moderators …`: accounts of the console. Passwords are asked for, or read from a pipe."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from serving.admin import opened
from serving.mendable import one_line_errors
from serving.moderation import moderators as accounts
from serving.tables import cells

moderators = typer.Typer(no_args_is_help=True, help="Who may log in to the console.")

_Name = Annotated[str, typer.Argument(help="To log in with; upper and lower case are the same.")]


@moderators.command("create")
def create(
    name: _Name,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(accounts.ROLES)}.")] = "moderator",
    site: Annotated[list[str] | None, typer.Option(help="A site to work on, repeatable; all if left out.")] = None,
) -> None:
    """Make an account; the password is asked for, or read from standard input."""
    with one_line_errors(), opened() as store:
        password = _password()
        with store.writing() as session:
            made = accounts.create(session, name, password, role, site or [])
            typer.echo(f"{made.name} may log in as {made.role} at /console/")


@moderators.command("list")
def list_moderators() -> None:
    """Show all accounts."""
    with one_line_errors(), opened() as store, store.session() as session:
        table = Table("name", "role", "sites", "created", "disabled", box=None)
        for row in accounts.every(session):
            dates = (
                moment.strftime("%Y-%m-%d %H:%M") if moment else "" for moment in (row.created_at, row.disabled_at)
            )
            table.add_row(*cells(row.name, row.role, ", ".join(row.sites) or "all", *dates))
    Console().print(table)


@moderators.command("disable")
def disable(name: _Name) -> None:
    """End an account and its sessions."""
    with one_line_errors(), opened() as store, store.writing() as session:
        accounts.disable(session, accounts.find(session, name))
    typer.echo(f"{accounts.normal(name)} can no longer log in")


@moderators.command("enable")
def enable(name: _Name) -> None:
    """Take back that an account was disabled."""
    with one_line_errors(), opened() as store, store.writing() as session:
        accounts.enable(session, accounts.find(session, name))
    typer.echo(f"{accounts.normal(name)} can log in again")


@moderators.command("password")
def password(name: _Name) -> None:
    """Give an account another password, asked for or read from standard input; its sessions end."""
    with one_line_errors(), opened() as store:
        with store.session() as session:
            accounts.find(session, name)
        chosen = _password()
        with store.writing() as session:
            accounts.set_password(session, accounts.find(session, name), chosen)
    typer.echo(f"{accounts.normal(name)} has another password")


def _password() -> str:
    """Never an argument, which other users of the machine would see."""
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("password: expected UTF-8") from None
