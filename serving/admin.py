"""The commands of an operator: API keys, and loading a new model into a running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import typer
from rich.console import Console
from rich.table import Table

from serving import keys as api_keys
from serving import settings
from serving.mendable import one_line_errors
from serving.store import Store

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@contextmanager
def opened() -> Iterator[Store]:
    """The database of the settings, open. Raises StoreError."""
    store = Store(settings.read().database_url)
    store.open()
    try:
        yield store
    finally:
        store.close()


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; unique.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"What it may do, repeatable: {', '.join(api_keys.SCOPES)}. [default: score, feedback]"),
    ] = None,
    per_minute: Annotated[int, typer.Option(help="Comments it may score a minute; 0 is no limit.")] = 6000,
) -> None:
    """Make a key and print it: the only time that it can be seen."""
    with one_line_errors(), opened() as store:
        key, secret = api_keys.create(store, name, scope or ["score", "feedback"], per_minute)
    typer.echo(f"key {key.id} for {key.name}: {', '.join(key.scopes)}; write it down, it is not stored", err=True)
    typer.echo(secret)


@keys.command("list")
def list_keys() -> None:
    """Show all keys, without their secrets."""
    with one_line_errors(), opened() as store:
        every = api_keys.every(store)
    table = Table("id", "name", "scopes", "a minute", "created", "revoked", box=None)
    for key in every:
        dates = (moment.strftime("%Y-%m-%d %H:%M") if moment else "" for moment in (key.created_at, key.revoked_at))
        table.add_row(key.id, key.name, ", ".join(key.scopes), str(key.per_minute or "no limit"), *dates)
    Console().print(table)


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `evenhand keys list` shows it.")]) -> None:
    """End a key. Running services notice within two seconds."""
    with one_line_errors(), opened() as store:
        key = api_keys.revoke(store, key_id)
    typer.echo(f"key {key.id} for {key.name} is revoked")


def reload(
    url: Annotated[str | None, typer.Option(help="Address of the service; from the settings if left out.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="EVENHAND_ADMIN_KEY", help="A key with the scope admin.", show_default=False)
    ] = None,
) -> None:
    """Load the model directory again in a running service; no request is lost."""
    with one_line_errors():
        base = (url or settings.read().address).rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        request = Request(f"{base}/v1/admin/reload", data=b"", method="POST", headers=headers)
        try:
            with urlopen(request, timeout=120) as answer:
                model = json.load(answer)
        except HTTPError as error:
            with error:
                said = json.load(error)["error"]["message"]
            raise ValueError(f"{base}: {said}") from None
        except URLError as error:
            raise ValueError(f"{base}: {error.reason}") from None
    typer.echo(f"{model['name']} {model['version']} answers now")
