"""`sqlflow render`"""

import click

from sqlflow.cli.options import Place, block_argument, project_options


@click.command("render")
@block_argument
@project_options
def command(block: str, place: Place) -> None:
    """Print a block's SQL after Jinja, with the published names of its inputs. Needs no connection."""
    from sqlflow.cli.output import echo

    project = place.load()
    echo(project.rendered(block).text)
