"""`sqlflow test`"""

import sys

import click

from sqlflow.cli.options import (
    Place,
    Selection,
    environment_option,
    events_option,
    lock_timeout_option,
    project_options,
    quiet_option,
    selection_options,
    threads_option,
)


@click.command("test")
@selection_options
@threads_option
@lock_timeout_option
@events_option
@quiet_option
@project_options
@environment_option
def command(
    selection: Selection, threads: int | None, lock_timeout: float, output: str, quiet: bool, place: Place
) -> None:
    """Run the assertions of blocks on what is published; nothing is built."""
    from sqlflow.cli.running import run_and_tell

    project = place.load()
    sys.exit(
        run_and_tell(
            lambda listener: project.test(
                selection.select, selection.exclude, threads=threads, lock_timeout=lock_timeout, listener=listener
            ),
            project, output, quiet, place.flags,
        )
    )  # fmt: skip
