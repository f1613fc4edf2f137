"""`sqlflow retry`"""

import click

from sqlflow.cli.history import Folder, folder_options, told_who_serves


@click.command("retry")
@click.argument("run", metavar="ID")
@folder_options
def command(run: str, folder: Folder) -> None:
    """Run again what has failed in a run: a new run of its pipeline, which uses what that one has built."""
    from sqlflow.cli.output import echo

    with folder.history() as history:
        pipeline = folder.pipeline(history.run(run).pipeline)
        again = history.request_retry(run, only=pipeline.has_one_run)
        echo(f"asked for the run {again.id} of {again.pipeline}")
        told_who_serves(history, folder)
