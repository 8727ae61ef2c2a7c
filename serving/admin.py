"""The commands of an operator: API keys, and loading a new model into a running service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Annotated
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import typer
from rich.console import Console
from rich.table import Table

from serving import keys as api_keys
from serving import settings
from serving.mendable import one_line_errors
from serving.store import Store
from serving.tables import cells

SENDABLE = re.compile("[!-~]+")

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
        typer.Option(help=f"What it may do, repeatable: {', '.join(api_keys.SCOPES)}; score and feedback if left out."),
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
        limit = str(key.per_minute or "no limit")
        table.add_row(*cells(key.id, key.name, ", ".join(key.scopes), limit, *dates))
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
        model = _reloaded(service_at(url), (key or "").strip())
    typer.echo(f"{model} answers now")


def service_at(url: str | None) -> str:
    """The address of a running service, without a slash at its end; of the settings unless given. Raises ValueError."""
    base = (url or settings.read().address).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise ValueError("--url: expected an address that starts with http:// or https://")
    return base


def _reloaded(base: str, key: str) -> str:
    """Name and version of the model that a service has loaded. Raises ValueError, which does not repeat the key."""
    if key and not SENDABLE.fullmatch(key):
        raise ValueError("--key or EVENHAND_ADMIN_KEY: expected one key, in ASCII and without spaces")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    status, content = _posted(base, Request(f"{base}/v1/admin/reload", data=b"", method="POST", headers=headers))
    try:
        answer = json.loads(content)
        if status == 200:
            return f"{answer['name']} {answer['version']}"
        problem = answer["error"]["message"]
    except (ValueError, LookupError, TypeError):
        problem = f"not an evenhand service (status {status})"
    raise ValueError(f"{base}: {problem}")


def _posted(base: str, request: Request) -> tuple[int, bytes]:
    """Status and body of an answer. Raises ValueError if there is none."""
    try:
        with urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError as error:
        raise ValueError(f"{base}: {getattr(error, 'reason', error)}") from None
    except HTTPException as error:
        raise ValueError(f"{base}: not an evenhand service ({type(error).__name__})") from None
