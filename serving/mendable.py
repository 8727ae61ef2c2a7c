"""What a user can mend (files, columns, settings, the model's directory) ends a command with one line, code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy.exc import OperationalError, TimeoutError

from serving.tables import plain


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Prints a ValueError, an OSError or a database that does not answer as one line and exits; other errors are ours,
    and pass.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # `| head` closed the pipe; typer ends quietly
    except (ValueError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}"
        raise _exit(message) from None
    except (OperationalError, TimeoutError) as error:
        # The driver's own words: the error itself quotes the statement and its values.
        raise _exit(f"the database does not answer: {getattr(error, 'orig', None) or error}") from None


def _exit(message: str) -> typer.Exit:
    typer.echo(f"evenhand: {plain(message)}", err=True)
    return typer.Exit(2)
