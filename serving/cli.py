"""The command ``evenhand``: score files, serve the API, describe the model.

Heavy modules are imported inside the commands, so that ``evenhand --help`` answers at once and scoring
files does not load the web framework.
"""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from serving import accounts, admin, rehearsal
from serving.learning import commands as learning
from serving.mendable import one_line_errors
from serving.moderation import commands
from serving.policy import commands as policy
from serving.reader import commands as reader
from serving.tables import Board, Row, open_console, plain, print_board

if TYPE_CHECKING:
    from fastapi import FastAPI

    from serving.reader.demo.newspaper import Newspaper
    from serving.records import Reader
    from serving.settings import Settings

__all__ = ["app"]

# Locals off: a traceback must not print comments.
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Score readers' comments for incivility, report-worthiness and quality.",
)

app.command()(admin.reload)
app.command("import")(reader.import_)
app.add_typer(admin.keys, name="keys")
app.add_typer(commands.sites, name="sites")
app.add_typer(commands.hooks, name="hooks")
app.add_typer(commands.audit, name="audit")
app.add_typer(commands.privacy, name="privacy")
app.command()(commands.transparency)
app.add_typer(accounts.moderators, name="moderators")
app.add_typer(rehearsal.coral, name="coral")
app.add_typer(learning.labels, name="labels")
app.add_typer(learning.model, name="model")
app.add_typer(policy.policy, name="policy")

SWITCH_SECONDS = 0.0005  # docs/performance-log.md
STARTUP_FAILURE = 3  # exit status, as of uvicorn's own command
SHOWN = 50  # rows of a table file printed without --top; a saved page is printed whole
RANKED_BY = "report_worthy"

_Model = Annotated[Path | None, typer.Option(help="Directory of the model; the built-in one if left out.")]


@app.command()
def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…", help="Saved pages or lines (.txt), .jsonl, .csv, .parquet; - for standard input."
        ),
    ],
    text_column: Annotated[str, typer.Option(help="Column of a table that holds the comments.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write .jsonl, .csv or .parquet, a row a comment.")] = None,
    attributes: Annotated[str | None, typer.Option(help="Only these, comma-separated; the first ranks.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only the N highest of all inputs.")] = None,
    model: _Model = None,
) -> None:
    """Score the comments of files; print them, the rudest on top, or write them to --output."""
    with one_line_errors():
        _score(paths, text_column, output, attributes, top, model)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if left out.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; 8000 if left out.")] = None,
    model: _Model = None,
    demo: Annotated[bool, typer.Option("--demo", help="With a made-up newspaper, to try the entire loop.")] = False,
) -> None:
    """Serve the HTTP API. Settings come from EVENHAND_… variables; options given here go first."""
    with one_line_errors():
        import uvicorn

        from serving import keys, logs
        from serving.settings import read
        from serving.wire import Protocol

        if hasattr(signal, "SIGHUP"):  # until the service answers it there is nothing to reload, and no reason to end
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        settings = read(host=host, port=port, model=model)
        logs.configure(settings.log_level)
        # First of all: what another process serves there must not be taken for this one.
        with _address_named(settings):
            sockets = _bound(settings.host, settings.port)
        newspaper = None
        if demo:
            from serving.reader.demo import prepare

            newspaper = prepare.prepare(settings)
        api = _app(settings, newspaper, "--model" if model else "EVENHAND_MODEL")
        store = api.state.service.store
        store.open()  # here, so that what is wrong with it is one line
        with _address_named(settings):
            for each in sockets:
                each.listen()
        typer.echo(f"evenhand listens on {settings.address}. Try:\n  {_example(settings)}", err=True)
        if newspaper:
            typer.echo(prepare.greeting(settings, newspaper), err=True)
        if settings.mode == "keys" and not any(key.revoked_at is None for key in keys.every(store)):
            typer.echo("No key exists yet, so nobody can call it: evenhand keys create NAME", err=True)
        # A worker that has scored a batch waits for the interpreter lock to hand it over and take the next.
        sys.setswitchinterval(SWITCH_SECONDS)
        # Our own middleware logs requests: uvicorn's lines would hold query strings, where keys may be.
        config = uvicorn.Config(
            api,
            http=Protocol,
            access_log=False,
            log_level="warning",
            server_header=False,
            # A head that is little too long is answered in its dialect's shape; of a longer one the connection ends.
            h11_max_incomplete_event_size=settings.max_header_bytes + 2**16,
            timeout_keep_alive=75,  # longer than clients and proxies keep one: whoever closes first must not be us
            timeout_graceful_shutdown=settings.drain_seconds,
        )
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run(sockets)
        if not server.started:  # it has said why
            raise typer.Exit(STARTUP_FAILURE)


@app.command()
def info(model: _Model = None) -> None:
    """Describe the model and the machine it runs on."""
    with one_line_errors():
        import onnxruntime

        from serving import cpu
        from serving.artifact import Artifact

        artifact = Artifact.load(model)
        manifest = artifact.manifest
        head = manifest.spans
        lines = {
            "model": f"{manifest.name} {manifest.version}",
            "licence": manifest.licence,
            "path": artifact.path,
            "base": manifest.base,
            "token limit": manifest.token_limit,
            "attributes": ", ".join(attribute.name for attribute in manifest.attributes),
            "marks words": f"of {head.attribute}, from {head.threshold:g} on" if head else "no",
            **{f"sha256 {name}": digest for name, digest in sorted(manifest.files.items())},
            "runtime": f"onnxruntime {onnxruntime.__version__}",
            "CPU features": ", ".join(cpu.features()) or "none known",
        }
        width = max(map(len, lines)) + 2
        for name, value in lines.items():
            typer.echo(f"{name:<{width}}{value}")


def _score(
    paths: Sequence[str],
    text_column: str,
    output: Path | None,
    attributes: str | None,
    top: int | None,
    model: Path | None,
) -> None:
    from serving.bulk import scored_batches
    from serving.outputs import open_writer
    from serving.records import STDIN, read_records
    from serving.scorer import Scorer

    sizes = [None if path == STDIN else Path(path).stat().st_size for path in paths]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    first = read_records(paths[0], text_column)
    # Parquet keeps its column types; other inputs have none, and a mixture no common ones.
    schema = first.schema if all(path.lower().endswith(".parquet") for path in paths) else None
    scorer = Scorer.load(model)
    names = _choose(attributes, scorer.attributes)
    ranked_by = RANKED_BY if attributes is None and RANKED_BY in names else names[0]
    writer = open_writer(output, names, columns=first.columns, schema=schema) if output else None
    overall = Board(ranked_by, top) if top else None

    out, errors = open_console(), Console(stderr=True)
    unscored = done = 0
    with (
        writer or nullcontext(),
        Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress,
    ):
        task = progress.add_task("scoring", total=total)
        for place, path in enumerate(paths):
            reader = first if place == 0 else read_records(path, text_column)
            board = overall or Board(ranked_by, None if reader.page else SHOWN)
            number = 0
            for batch in scored_batches(scorer, reader):
                for record, scores in batch:
                    number += 1
                    unscored += scores is None
                    if writer and not overall:
                        writer.write(record.columns, scores)
                    elif scores is not None:
                        board.add(Row(reader.source, number, record.columns, record.text, scores))
                progress.update(task, completed=done + reader.position)
            done += reader.size or 0
            if reader.notice:
                progress.console.print(Text(plain(reader.notice)), soft_wrap=True)
            if board is not overall and board.seen:
                progress.stop()  # a live bar and a table on one terminal would overwrite each other
                title = _title(reader, number, board)
                print_board(out, board, title=title, attributes=names, chosen=attributes is not None)
                progress.start()
        if overall and writer:
            for row in overall.rows():
                writer.write(row.columns, row.scores)
    if overall and not writer and overall.seen:
        title = f"The {len(overall.rows())} highest of {overall.seen} by {ranked_by}"
        many = len(paths) > 1
        print_board(out, overall, title=title, attributes=names, chosen=attributes is not None, sources=many)
    if unscored:
        typer.echo(f"{_comments(unscored)} without a text to score; scores left empty", err=True)


def _choose(wanted: str | None, known: Sequence[str]) -> tuple[str, ...]:
    if wanted is None:
        return tuple(known)
    names = tuple(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = f"has no {', '.join(unknown)}" if unknown else "is empty"
        raise ValueError(f"--attributes {what}; the model scores {', '.join(known)}")
    return names


def _title(reader: Reader, number: int, board: Board) -> str:
    if reader.page:
        announced = reader.page.announced
        count = f"{number} of {_comments(announced)}" if announced and announced > number else _comments(number)
        return f"{reader.page.title or reader.source} ({count})"
    if board.seen > SHOWN:
        return f"{reader.source}: the {SHOWN} highest of {board.seen}; --output writes all, --top N shows more"
    return reader.source


def _comments(number: int) -> str:
    return f"{number} comment" if number == 1 else f"{number} comments"


def _app(settings: Settings, newspaper: Newspaper | None, chooses_model: str) -> FastAPI:
    """The application. Raises StoreError, and SettingsError for the files that settings name."""
    from serving.api import create_app
    from serving.artifact import ArtifactError
    from serving.settings import SettingsError, blame
    from serving.sites import SitesError

    try:
        return create_app(settings, newspaper)
    except ArtifactError as error:
        raise SettingsError(f"{chooses_model}: {error}" if settings.model else str(error)) from None
    except SitesError as error:
        raise blame("coral", error) from None


def _bound(host: str, port: int) -> list[socket.socket]:
    """A socket on each address of a host that this machine has, which nobody can connect to yet. Raises OSError."""
    found, absent = [], None
    every = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in dict.fromkeys(every):
        try:
            one = socket.socket(family, kind, protocol)
        except OSError as error:  # no IPv6 here
            absent = error
            continue
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the one before may have ended just now
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
        except OSError as error:
            one.close()
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            absent = error  # as ::1 is of `localhost` in many a container
        else:
            found.append(one)
    if absent and not found:
        raise absent
    return found


@contextmanager
def _address_named(settings: Settings) -> Iterator[None]:
    """Names the address in the error of one that cannot be listened on. Raises SettingsError."""
    from serving.settings import SettingsError

    try:
        yield
    except OSError as error:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        raise SettingsError(f"{host}:{settings.port}: {str(error.strerror).lower()}") from None


def _example(settings: Settings) -> str:
    body = '{"comments":[{"id":"1","text":"You absolute clown, resign."}]}'
    key = " -H 'X-API-Key: KEY'" if settings.mode == "keys" else ""
    return f"curl -s {settings.address}/v1/score{key} -H 'Content-Type: application/json' -d '{body}'"
