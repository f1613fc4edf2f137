"""`sqlflow backfill`"""

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
    span_options,
    threads_option,
)


@click.command("backfill")
@selection_options
@span_options
@click.option("--only-missing", is_flag=True, help="Build the intervals that are not there, and leave the others.")
@threads_option
@lock_timeout_option
@events_option
@quiet_option
@project_options
@environment_option
@pipeline_option
def command(
    selection: Selection, start: str, end: str, only_missing: bool, threads: int | None, lock_timeout: float, output: str,
    quiet: bool, place: Place,
) -> None:  # fmt: skip
    """Build intervals of blocks of time ranges again, check and publish them.

    What a SELECTOR names beside them, as in `orders+`, is built as by `sqlflow build`.
    """
    from sqlflow.cli.running import run_and_tell
    from sqlflow.core.errors import UsageError

    if not selection.select and not place.pipeline:
        raise UsageError("which block?", hint="name it: `sqlflow backfill orders --from 2026-01-01 --to 2026-02-01`")
    project = place.load()
    sys.exit(
        run_and_tell(
            lambda listener: project.backfill(
                selection.select, start, end, exclude=selection.exclude, only_missing=only_missing, threads=threads,
                lock_timeout=lock_timeout, listener=listener,
            ),
            project, output, quiet, place.flags_for(project),
        )
    )  # fmt: skip
