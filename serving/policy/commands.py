"""`evenhand policy`: check a policy, test it on comments, keep and change a site's versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from serving.mendable import one_line_errors
from serving.policy.file import DEFAULT, Policy, PolicyError, load
from serving.policy.words import describe
from serving.store import LARGEST
from serving.tables import cells, open_console, plain

if TYPE_CHECKING:
    from serving.policy.backtest import Report, Row
    from serving.store import Store

policy = typer.Typer(no_args_is_help=True, help="Check a policy, test a draft on comments, keep versions.")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The policy, TOML.")]
_Site = Annotated[str, typer.Argument(metavar="SITE", help="The site's id.")]
_Model = Annotated[Path | None, typer.Option(help="Directory of the model; the built-in one if left out.")]

ACTOR = "command"


@policy.command("check")
def check(file: _File, model: _Model = None) -> None:
    """Read a policy as the service does and print its rules in words; exit code 2 if it cannot stand."""
    with one_line_errors():
        from serving.artifact import Artifact

        found = load(file)
        for line in describe(found):
            typer.echo(plain(line) if not line.startswith("  ") else "  " + plain(line))
        scored = {head.name for head in Artifact.load(model).manifest.attributes}
        if unscored := sorted(found.attributes - scored):
            typer.echo(
                f"evenhand: the model does not score {', '.join(unscored)}: comments that need it are held", err=True
            )


@policy.command("backtest")
def test(
    file: _File,
    comments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMENTS…]", help="Saved pages (.txt), .jsonl, .csv, .parquet; - for standard input."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Test on this site's comments in the database.")] = None,
    against: Annotated[
        str | None, typer.Option(help="live (the default with --site), default, or another policy's file.")
    ] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="Comments to show of each kind of change.")] = 3,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="Of a site, the latest so many comments.")] = 10_000,
    text_column: Annotated[str, typer.Option(help="Column of a table that holds the comments.")] = "text",
    model: _Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what would change if FILE went live: how many comments, which, and how right it would be."""
    with one_line_errors(), ExitStack() as stack:
        from serving.policy.backtest import backtest

        draft = load(file)
        if bool(comments) == (site is not None):
            raise ValueError("expected comments to test it on: files, or --site (one of the two)")
        against = against or ("live" if site else "default")
        store = stack.enter_context(_opened()) if site else None
        old = _against(against, site, store)
        names = against, file.name
        if store and site:
            report = backtest(old, draft, _stored(store, site, limit), examples=examples)
        else:
            report = _on_files(old, draft, comments or [], text_column, model, examples)
        _print(report, *names, as_json=as_json)


@policy.command("save")
def save(site: _Site, file: _File, note: Annotated[str | None, typer.Option(help="What it is for.")] = None) -> None:
    """Keep a policy as the next version of a site, a draft."""
    with one_line_errors(), _opened() as store:
        from serving.moderation import policies

        load(file)  # so that what is wrong with it is said with the file's name
        with store.writing() as session:
            row = policies.save(session, site, file.read_text(encoding="utf-8"), actor=ACTOR, note=note)
            typer.echo(f"version {row.version} of {site}: {row.state}")


@policy.command("set")
def change(
    site: _Site,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, max=LARGEST, help="Its number.")],
    state: Annotated[str, typer.Argument(metavar="STATE", help="draft, shadow, live or retired.")],
) -> None:
    """Put a version into another state; there is one live and one in shadow at most."""
    with one_line_errors(), _opened() as store:
        from serving.moderation import policies

        if state not in policies.CHANGES:
            raise ValueError(f"state: expected one of {', '.join(policies.CHANGES)}")
        with store.writing() as session:
            row = policies.change(session, site, version, state, actor=ACTOR)
            typer.echo(f"version {row.version} of {site}: {row.state}")


@policy.command("list")
def versions(site: _Site) -> None:
    """Show the versions of a site, the latest first."""
    with one_line_errors(), _opened() as store:
        from serving.moderation import policies, sites

        with store.session() as session:
            sites.find(session, site)
            rows = policies.versions(session, site)
    table = Table("version", "state", "saved", "changed", "note", box=None)
    for row in rows:
        dates = (moment.strftime("%Y-%m-%d %H:%M") for moment in (row.created_at, row.changed_at))
        table.add_row(*cells(str(row.version), row.state, *dates, row.note or ""))
    Console().print(table if rows else f"{site} has none: the default policy holds")


@contextmanager
def _opened() -> Iterator[Store]:
    from serving.admin import opened

    with opened() as store:
        yield store


def _against(name: str, site: str | None, store: Store | None) -> Policy:
    if name == "default":
        return DEFAULT
    if name != "live":
        return load(Path(name))
    if site is None or store is None:
        raise PolicyError("", "--against live needs --site")
    from serving.moderation import policies, sites

    with store.session() as session:
        sites.find(session, site)
        return policies.live(session, site).policy


def _stored(store: Store, site: str, limit: int) -> Iterable[Row]:
    from serving.moderation import history, sites

    with store.session() as session:
        sites.find(session, site)
        yield from history.rows(session, site, limit=limit)


def _on_files(
    old: Policy, draft: Policy, paths: list[str], text_column: str, model: Path | None, examples: int
) -> Report:
    from serving.policy.archive import Archive
    from serving.policy.backtest import backtest
    from serving.scorer import Scorer

    archive = Archive(tuple(paths), Scorer.load(model), text_column)
    report = backtest(old, draft, archive, examples=examples)
    if archive.unscored:
        typer.echo(f"{archive.unscored} without a text to score; left out", err=True)
    return report


def _print(report: Report, old: str, new: str, *, as_json: bool) -> None:
    from serving.policy.shown import show

    if as_json:
        typer.echo(json.dumps(report.record(), indent=2, ensure_ascii=False))
    else:
        show(open_console(), report, old, new)
