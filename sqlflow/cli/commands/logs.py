"""`sqlflow logs`"""

import time

import click

from sqlflow.cli.history import Folder, folder_options
from sqlflow.cli.options import json_option

_LOOK_AGAIN_SECONDS = 0.5
_PAGE = 1000


@click.command("logs")
@click.argument("run", metavar="ID")
@click.argument("block", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@json_option
@folder_options
def command(run: str, block: str, follow: bool, output: str, folder: Folder) -> None:
    """Show what a run has printed, or one block of it."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo

    with folder.history() as history:
        id, after = history.run(run).id, 0
        while True:
            has_ended = history.run(id).has_ended
            lines = history.logs(id, block=block.lower(), after=after, limit=_PAGE)
            for line in lines:
                shown = f"{line.block} | {line.line}" if line.block and not block else line.line
                echo(as_json.text(as_json.plain(line)) if output == "json" else shown)
                after = line.id
            if len(lines) == _PAGE:
                continue
            if not follow or has_ended:
                return
            time.sleep(_LOOK_AGAIN_SECONDS)
