"""`sqlflow gc`"""

import click

from sqlflow.cli.options import Place, lock_timeout_option, project_options


@click.command("gc")
@lock_timeout_option
@project_options
def command(lock_timeout: float, place: Place) -> None:
    """Drop the versions that no environment shows and that are older than `keep`. Every build does the same."""
    from sqlflow.cli.output import echo
    from sqlflow.cli.terminal import listening
    from sqlflow.cli.text import count

    project = place.load()
    with listening(quiet=False) as listener:
        gone = project.gc(lock_timeout=lock_timeout, listener=listener)
    echo(f"dropped {count(len(gone), 'version')}" if gone else "nothing is older than `keep`")
