"""`sqlflow new`"""

import click

from sqlflow.cli.options import Place, block_argument, project_options


@click.command("new")
@click.argument("kind", type=click.Choice(["unit-test"]))
@block_argument
@click.option("--rows", type=click.IntRange(1, 100), default=3, show_default=True, help="How many rows of each input.")
@project_options
def command(kind: str, block: str, rows: int, place: Place) -> None:
    """Write a unit test of BLOCK: rows of its inputs, as the target has them, and what the block makes of them.

    A test is a beginning: cut the rows down to what it is about, and write what you expect.
    """
    project = place.load()
    path = project.new_unit_test(block, rows)
    click.echo(f"made {path}")
    click.echo(f"next: read what it expects, then `sqlflow test --unit {project.block(block).name}{place.flags}`")
