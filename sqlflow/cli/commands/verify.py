"""`sqlflow verify`"""

import sys

import click

from sqlflow.cli.options import (
    Place,
    block_argument,
    environment_option,
    json_option,
    lock_timeout_option,
    project_options,
    span_options,
)


@click.command("verify")
@block_argument
@span_options
@click.option(
    "--key", default="", metavar="COLUMNS", help="What tells rows apart, instead of the key that the block says."
)
@click.option(
    "--limit", type=click.IntRange(0, 1000), default=5, show_default=True, help="How many rows to show of a kind."
)
@lock_timeout_option
@json_option
@project_options
@environment_option
def command(
    block: str, start: str, end: str, key: str, limit: int, lock_timeout: float, output: str, place: Place
) -> None:
    """Build intervals of BLOCK aside, and compare them with what is published. Nothing is changed.

    The exit code is 1 if they differ.
    """
    from sqlflow.cli import as_json
    from sqlflow.cli.commands.diff import lines
    from sqlflow.cli.output import echo
    from sqlflow.cli.terminal import listening

    columns = tuple(part.strip() for part in key.split(",") if part.strip())
    with listening(quiet=True) as listener:
        found = place.load().verify(
            block, start, end, key=columns, limit=limit, lock_timeout=lock_timeout,
            listener=(lambda event: None) if output == "json" else listener,
        )  # fmt: skip
    echo(as_json.text(as_json.plain(found)) if output == "json" else "\n".join(lines(found)))
    sys.exit(0 if found.is_same else 1)
