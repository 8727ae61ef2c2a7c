"""`evenhand import`: comments of saved pages and of record files, to be moderated in the console."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serving import settings
from serving.admin import opened
from serving.mendable import one_line_errors
from serving.tables import EXCERPT, SHOWN_SCORES, TABLE_WIDTH, open_console, plain

if TYPE_CHECKING:
    from serving.reader.importing import Incoming, Taken
    from serving.records import Reader

SHOWN = 50  # rows of a file that are printed


def import_(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PAGE…", help="Saved pages or lines (.txt), .jsonl, .csv, .parquet; - for input."),
    ],
    site: Annotated[str, typer.Option(help="The site that they go to.")],
    section: Annotated[str | None, typer.Option(help="Section of the story, where the file names none.")] = None,
    name: Annotated[str | None, typer.Option(help="Make the site, if there is none, with this name.")] = None,
    review: Annotated[
        int, typer.Option(min=0, help="Put the N new comments that score highest into the queue, whatever the policy.")
    ] = 0,
    text_column: Annotated[str, typer.Option(help="Column of a table that holds the comments.")] = "text",
    model: Annotated[Path | None, typer.Option(help="Directory of the model; else the one that answers.")] = None,
) -> None:
    """Take comments into a site: scored, decided on by its policy, there to moderate. Twice changes nothing."""
    with one_line_errors(), opened() as store, ExitStack() as stack:
        from serving.artifact import Artifact
        from serving.learning import models
        from serving.learning.commands import refused
        from serving.moderation import sites
        from serving.moderation.tables import Site
        from serving.reader import importing
        from serving.scorer import Scorer
        from serving.store import now

        # What can be refused, before anything is written.
        sources = [_source(path, text_column, section, stack) for path in paths]
        with store.session() as session:
            chosen = settings.read().model
            artifact = Artifact.load(model) if model else models.answering(session, chosen, refused)
        scorer = Scorer(artifact)
        with store.writing() as session:
            if name is not None and session.get(Site, site) is None:
                sites.put(session, site, name, None, "command")
            sites.find(session, site)
        console = open_console()
        for reader, title, incoming in sources:
            taken: list[Taken] = []
            for batch in _batches(incoming, importing.BATCH):
                scores = importing.given(scorer, batch)
                with store.writing() as session:
                    taken += importing.take(session, sites.find(session, site), batch, scores, now())
            with store.writing() as session:
                queued = importing.review(session, sites.find(session, site), taken, review, now())
            if reader.notice:
                console.print(Text(plain(reader.notice)), soft_wrap=True)
            _show(console, title, site, taken, queued)


def _source(
    path: str, text_column: str, section: str | None, stack: ExitStack
) -> tuple[Reader, str, Iterable[Incoming]]:
    """A file's reader, its title and its comments: of a saved page read already, else as they are asked for."""
    from serving.reader import importing
    from serving.records import read_records

    reader = read_records(path, text_column)
    if reader.page:
        reader.close()
        return reader, reader.page.title or reader.source, importing.of_page(reader.page, reader.source, section)
    stack.callback(reader.close)
    return reader, reader.source, importing.of_records(reader, section)


def _batches(incoming: Iterable[Incoming], size: int) -> Iterator[list[Incoming]]:
    iterator = iter(incoming)
    while batch := list(islice(iterator, size)):
        yield batch


def _show(console: Console, title: str, site: str, taken: list[Taken], queued: int) -> None:
    """What was done, as a table, and in one sentence."""
    console.print(Text(plain(title), style="bold"), soft_wrap=True)
    if not taken:
        return
    wide = console.width >= TABLE_WIDTH
    columns = SHOWN_SCORES if wide else SHOWN_SCORES[:1]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("author", max_width=24, overflow="ellipsis", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("policy", no_wrap=True)
    table.add_column("", no_wrap=True)
    if wide:
        table.add_column("text", max_width=EXCERPT, overflow="ellipsis", no_wrap=True)
    for number, one in enumerate(taken[:SHOWN], start=1):
        scores = one.scores or {}
        cells = [str(number), plain(one.author)]
        cells += [f"{scores[column]:.2f}" if column in scores else "" for column in columns]
        cells += [one.action, "new" if one.new else "known"]
        cells += [plain(one.text, EXCERPT)] if wide else []
        table.add_row(*map(Text, cells))
    console.print(table)
    new = [one for one in taken if one.new]
    by_policy = sum(one.action in ("hold", "flag") for one in new)
    said = f"{_comments(len(new))} new on {site}, {len(taken) - len(new)} known already. "
    said += f"Into the queue: {by_policy} by the policy" + (f", {queued} as asked." if queued else ".")
    if new and not by_policy and not queued:
        said += " --review N puts the N highest there."
    console.print(Text(said), soft_wrap=True)


def _comments(number: int) -> str:
    return f"{number} comment" if number == 1 else f"{number} comments"
