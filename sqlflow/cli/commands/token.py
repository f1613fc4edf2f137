"""`sqlflow token`"""

from typing import Any

import click

from sqlflow.cli.history import Folder, folder_options
from sqlflow.cli.options import json_option


@click.group("token")
def command() -> None:
    """Make, list and revoke tokens for the HTTP API of `sqlflow serve`."""


@command.command("new")
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(["read", "run"]), default="run",
    help="Whether it reads alone, or starts, cancels and pauses too.  [default: run]",
)  # fmt: skip
@folder_options
def new(name: str, scope: Any, folder: Folder) -> None:
    """Make a token under NAME and print it, once: what is kept is a hash of it."""
    from datetime import UTC, datetime

    from sqlflow.cli.output import echo
    from sqlflow.service.http import tokens

    text = tokens.add(_state(folder), name, scope, datetime.now(UTC))
    echo(text)
    echo("keep it where others cannot read it: it is not shown again", err=True)


@command.command("list")
@json_option
@folder_options
def list_(output: str, folder: Folder) -> None:
    """List the tokens that were made: their names, what they may do, and since when."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table
    from sqlflow.service.http import tokens

    found = tokens.kept(_state(folder))
    if output == "json":
        for token in found:
            echo(as_json.text({"name": token.name, "scope": token.scope, "made_at": token.made_at}))
    elif found:
        rows = [(token.name, token.scope, f"{token.made_at[:19].replace('T', ' ')} UTC") for token in found]
        echo(table(("token", "scope", "made"), rows))
    else:
        echo("there is no token; `sqlflow token new NAME` makes one")


@command.command("revoke")
@click.argument("name")
@folder_options
def revoke(name: str, folder: Folder) -> None:
    """Revoke the token NAME: from now on the service does not know it."""
    from sqlflow.cli.output import echo
    from sqlflow.service.http import tokens

    tokens.remove(_state(folder), name)
    echo(f"revoked the token `{name}`")


def _state(folder: Folder) -> Any:
    """Return the folder of the project's state. Raise ProjectError if there is no project."""
    from sqlflow.read.config import project_file

    project_file(folder.root)
    return folder.root / ".sqlflow"
