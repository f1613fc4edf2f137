"""`sqlflow detach`"""

import click

from sqlflow.cli.options import Place, block_argument, pipeline_names, project_options


@click.command("detach")
@block_argument
@click.option(
    "--pipeline", required=True, metavar="NAME", shell_complete=pipeline_names, help="The pipeline that gets the copy."
)
@click.option("--as", "name", required=True, metavar="NAME", help="The copy's name, with or without a schema.")
@project_options
def command(block: str, pipeline: str, name: str, place: Place) -> None:
    """Copy BLOCK for one pipeline, which then builds the copy in place of it. What reads the block is as it was.

    The copy says where it came from: `sqlflow diff --origin NAME` shows how far it has gone from there.
    """
    from sqlflow.read.pipelines import pipeline_named
    from sqlflow.run.detach import detached, written_or_not

    project = place.load()
    found = pipeline_named(project.loaded.root, pipeline)
    made, texts = detached(project.loaded, found, project.block(block), name)
    with written_or_not(texts):  # a project that could not be loaded any more is put back as it was
        assert place.load().pipelines
    click.echo(f"made {made.path}")
    click.echo(f"changed {made.pipeline_path}: it builds `{made.block}`, and `{project.block(block).name}` no more")
    click.echo(f"next: edit {made.path}, then `sqlflow build --pipeline {pipeline}{place.flags}`")
