"""`sqlflow clean`"""

import click

from sqlflow.cli.options import Place, project_options


@click.command("clean")
@project_options
def command(place: Place) -> None:
    """Drop the versions in the target that no published relation needs, such as those of failed runs."""
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import count

    project = place.load()
    gone = project.clean()
    echo(f"dropped {count(len(gone), 'version')}" if gone else "nothing to clean")
