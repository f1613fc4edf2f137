"""`sqlflow clean`"""

import click

from sqlflow.cli.options import Place, lock_timeout_option, project_options


@click.command("clean")
@lock_timeout_option
@project_options
def command(lock_timeout: float, place: Place) -> None:
    """Drop the versions in the target that no published relation needs, such as those of failed runs."""
    from sqlflow.cli.output import echo
    from sqlflow.cli.terminal import listening
    from sqlflow.cli.text import count

    project = place.load()
    with listening(quiet=False) as listener:
        gone = project.clean(lock_timeout=lock_timeout, listener=listener)
    echo(f"dropped {count(len(gone), 'version')}" if gone else "nothing to clean")
