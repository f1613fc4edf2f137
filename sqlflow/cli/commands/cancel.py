"""`sqlflow cancel`"""

import click

from sqlflow.cli.history import Folder, folder_options, told_who_serves


@click.command("cancel")
@click.argument("run", metavar="ID")
@folder_options
def command(run: str, folder: Folder) -> None:
    """End a run: one that waits at once, one that is on as soon as its process has stopped. Nothing of it is published."""
    from sqlflow.cli.output import echo

    with folder.history() as history:
        found = history.request_cancel(run)
        if found.has_ended:
            echo(f"the run {found.id} is {found.status}")
        else:
            echo(f"the run {found.id} is asked to end")
            told_who_serves(history, folder)
