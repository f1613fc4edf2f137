"""`sqlflow new`"""

import click

from sqlflow.cli.options import Place, block_names, project_options
from sqlflow.cli.templating import BLOCKS, PIPELINES


def _templates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    kind = ctx.params.get("kind")
    known = [*(BLOCKS if kind != "pipeline" else ()), *(PIPELINES if kind != "block" else ())]
    return [name for name in known if name.startswith(incomplete)]


@click.command("new")
@click.argument("kind", type=click.Choice(["unit-test", "block", "pipeline"]))
@click.argument("name", shell_complete=block_names)
@click.option(
    "--rows", type=click.IntRange(1, 100), metavar="N", help="Unit tests: how many rows of each input.  [default: 3]"
)
@click.option(
    "--template", metavar="NAME", shell_complete=_templates,
    help=f"Blocks: {', '.join(BLOCKS)}. Pipelines: {', '.join(PIPELINES)}.  [default: the first]",
)  # fmt: skip
@project_options
def command(kind: str, name: str, rows: int | None, template: str | None, place: Place) -> None:
    """Write a unit test of the block NAME, or a new block or pipeline of that name from a template.

    A unit test has rows of the block's inputs, as the target has them, and what the block makes of them: cut the rows
    down to what it is about, and write what you expect. A template runs as it is: read your own tables in it.
    """
    from sqlflow.core.errors import UsageError

    if kind == "unit-test":
        if template is not None:
            raise UsageError("a unit test has no `--template`: its rows come from the target")
        _unit_test(name, rows or 3, place)
        return
    if rows is not None:
        raise UsageError(f"`--rows` is for unit tests, not for a {kind}")
    _from_template(kind, name, template or next(iter(BLOCKS if kind == "block" else PIPELINES)), place)


def _unit_test(name: str, rows: int, place: Place) -> None:
    project = place.load()
    path = project.new_unit_test(name, rows)
    click.echo(f"made {path}")
    click.echo(f"next: read what it expects, then `sqlflow test --unit {project.block(name).name}{place.flags}`")


def _from_template(kind: str, name: str, template: str, place: Place) -> None:
    from sqlflow.cli.templating import files_of
    from sqlflow.core.errors import UsageError
    from sqlflow.run.detach import written_or_not

    texts = files_of(kind, name, template)
    project = place.load()
    there = [path for path in texts if (project.loaded.root / path).exists()]
    if there:
        raise UsageError(f"`{there[0]}` is there already", hint="choose another name")
    with written_or_not({project.loaded.root / path: text for path, text in texts.items()}):
        assert place.load().graph  # a project that could not be loaded any more is left as it was
    for path in texts:
        click.echo(f"made {path}")
    command = f"sqlflow build {name}" if kind == "block" else f"sqlflow build --pipeline {name}"
    click.echo(f"next: edit it, then `{command}{place.flags}`")
