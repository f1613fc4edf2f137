"""`sqlflow promote`"""

import sys

import click

from sqlflow.cli.options import (
    Place,
    events_option,
    lock_timeout_option,
    project_options,
    quiet_option,
    threads_option,
)


@click.command("promote")
@click.argument("environment", metavar="ENV")
@threads_option
@lock_timeout_option
@events_option
@quiet_option
@project_options
def command(environment: str, threads: int | None, lock_timeout: float, output: str, quiet: bool, place: Place) -> None:
    """Publish in `prod` what the environment ENV shows, in one transaction; nothing is built.

    It must be what the project says now; if not, nothing changes and each block that differs is named.
    """
    from sqlflow.cli.running import run_and_tell

    project = place.load()
    sys.exit(
        run_and_tell(
            lambda listener: project.promote(environment, threads=threads, lock_timeout=lock_timeout, listener=listener),
            project, output, quiet, place.flags,
        )
    )  # fmt: skip
