"""`sqlflow init`"""

import click


@click.command("init")
@click.argument("folder", default=".")
def command(folder: str) -> None:
    """Make a project in FOLDER that builds at once: a seed, two blocks, a macro and assertions.

    Files that are there already are left as they are.
    """
    from pathlib import Path

    from sqlflow.cli.starter import write_starter

    made = write_starter(Path(folder))
    for path in made:
        click.echo(f"made {path}")
    if not made:
        click.echo("nothing to make: all files are there already")
    change = "" if folder == "." else f"cd {folder} && "
    click.echo(f"next: `{change}sqlflow build`")
