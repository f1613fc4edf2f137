"""`sqlflow clean`"""

import click

from sqlflow.cli.options import Place, lock_timeout_option, project_options


@click.command("clean")
@lock_timeout_option
@project_options
def command(lock_timeout: float, place: Place) -> None:
    """Drop the versions in the target that no published relation needs, such as those of failed runs."""
    from sqlflow.cli.commands.gc import drop_and_tell

    drop_and_tell(place.load().clean, lock_timeout, "nothing to clean")
