"""`sqlflow serve`"""

import click

from sqlflow.cli.history import Folder, folder_options


@click.command("serve")
@folder_options
def command(folder: Folder) -> None:
    """Run the project's pipelines by their schedules and triggers, until stopped.

    Each run is a process of its own. The files are the only truth: what is saved is loaded at once. Ctrl-C ends the
    service and its runs, which go on with the next service.
    """
    from datetime import UTC, datetime

    from sqlflow.cli.output import echo
    from sqlflow.service.installed import needed
    from sqlflow.service.service import Service

    needed("sqlflow serve")

    def tell(message: str) -> None:
        echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {message}")

    with folder.history() as history:
        Service(folder.root.resolve(), history, tell).run()
