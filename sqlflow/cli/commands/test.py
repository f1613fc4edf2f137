"""`sqlflow test`"""

import sys

import click

from sqlflow.cli.options import events_option, loaded, project_options, quiet_option, selection_options, threads_option


@click.command("test")
@selection_options
@threads_option
@events_option
@quiet_option
@project_options
def command(
    blocks: tuple[str, ...],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    threads: int | None,
    output: str,
    quiet: bool,
    project_dir: str,
    target: str | None,
    given: tuple[str, ...],
    debug: bool,
) -> None:
    """Run the assertions of blocks on what is published; nothing is built."""
    from sqlflow.cli.running import run_and_tell

    project = loaded(project_dir, target, given)
    sys.exit(
        run_and_tell(
            lambda listener: project.test((*blocks, *select), exclude, threads=threads, listener=listener),
            project, output, quiet, project_dir, target,
        )
    )  # fmt: skip
