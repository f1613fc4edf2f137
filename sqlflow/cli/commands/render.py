"""`sqlflow render`"""

import click

from sqlflow.cli.options import block_argument, loaded, project_options


@click.command("render")
@block_argument
@project_options
def command(block: str, project_dir: str, target: str | None, given: tuple[str, ...], debug: bool) -> None:
    """Print a block's SQL after Jinja, with the published names of its inputs. Needs no connection."""
    from sqlflow.cli.output import echo

    project = loaded(project_dir, target, given)
    echo(project.rendered(block).text)
