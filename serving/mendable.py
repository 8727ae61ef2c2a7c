"""What a user can mend (files, columns, settings, the model's directory) ends a command with one line, code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from serving.tables import plain


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Prints a ValueError or an OSError as one line and exits; other errors are ours, and pass."""
    try:
        yield
    except BrokenPipeError:
        raise  # `| head` closed the pipe; typer ends quietly
    except (ValueError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}"
        typer.echo(f"evenhand: {plain(message)}", err=True)
        raise typer.Exit(2) from None
