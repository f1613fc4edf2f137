"""`sqlflow clean`"""

import click

from sqlflow.cli.options import loaded, project_options


@click.command("clean")
@project_options
def command(project_dir: str, target: str | None, given: tuple[str, ...], debug: bool) -> None:
    """Drop the versions in the target that no published relation needs, such as those of failed runs."""
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import count

    project = loaded(project_dir, target, given)
    gone = project.clean()
    echo(f"dropped {count(len(gone), 'version')}" if gone else "nothing to clean")
