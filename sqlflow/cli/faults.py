"""How errors reach the user: plain words on stderr; a traceback only on request, or in a file."""

import sys
from pathlib import Path

import click

from sqlflow.cli.output import echo
from sqlflow.core.errors import SqlflowError
from sqlflow.core.secrets import masked


def told(error: Exception) -> int:
    """Write an error to stderr and return the exit code that it stands for."""
    if "--debug" in sys.argv:
        import traceback

        echo("".join(traceback.format_exception(error)), err=True)
    if isinstance(error, SqlflowError) and not _is_internal(error):
        echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
        return error.exit_code
    path = _kept_trace(error)
    cause = error.__cause__ or error
    echo(f"internal error: {type(cause).__name__}: {cause}", err=True)
    echo(f"  hint: this is a fault of sqlflow's; please report it with the trace in {path}", err=True)
    return 5


def _is_internal(error: SqlflowError) -> bool:
    return type(error) is SqlflowError


def _kept_trace(error: Exception) -> Path:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="sqlflow-trace-", suffix=".txt", delete=False) as file:
        file.write(masked("".join(traceback.format_exception(error))))
    return Path(file.name)
