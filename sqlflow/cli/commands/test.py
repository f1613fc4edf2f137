"""`sqlflow test`"""

import sys

import click

from sqlflow.cli.options import (
    Place,
    Selection,
    environment_option,
    events_option,
    lock_timeout_option,
    pipeline_option,
    project_options,
    quiet_option,
    selection_options,
    threads_option,
)


@click.command("test")
@selection_options
@click.option("--unit", is_flag=True, help="Run unit tests instead, on rows that they make up: beside the target.")
@threads_option
@lock_timeout_option
@events_option
@quiet_option
@project_options
@environment_option
@pipeline_option
def command(
    selection: Selection, unit: bool, threads: int | None, lock_timeout: float, output: str, quiet: bool, place: Place
) -> None:
    """Run the assertions of blocks on what is published; nothing is built. With `--unit`, their unit tests."""
    from sqlflow.cli.running import run_and_tell

    project = place.load()
    sys.exit(
        run_and_tell(
            lambda listener: project.unit_test(selection.select, selection.exclude, listener=listener)
            if unit
            else project.test(
                selection.select, selection.exclude, threads=threads, lock_timeout=lock_timeout, listener=listener
            ),
            project, output, quiet, place.flags_for(project),
        )
    )  # fmt: skip
