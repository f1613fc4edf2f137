"""`sqlflow list`"""

from typing import TYPE_CHECKING, Any

import click

from sqlflow.cli.options import Place, Selection, json_option, pipeline_option, project_options, selection_options

if TYPE_CHECKING:
    from sqlflow.app import Project
    from sqlflow.core.block import Block
    from sqlflow.core.names import TableName
    from sqlflow.core.pipeline import Pipeline


@click.command("list")
@selection_options
@click.option(
    "--pipelines", is_flag=True, help="List the pipelines with their blocks: those that have one of the SELECTOR."
)
@json_option
@project_options
@pipeline_option
def command(selection: Selection, pipelines: bool, output: str, place: Place) -> None:
    """List the blocks of the project, inputs before readers, or its pipelines. Needs no connection."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo

    project = place.load()
    chosen = project.selected(selection.select, selection.exclude)
    if pipelines:
        _list_pipelines(project, chosen, output)
        return
    found = [project.loaded.blocks[name] for name in project.graph.order if name in chosen]
    if output == "json":
        for block in found:
            echo(as_json.text(_object(block, project)))
        return
    width = max((len(str(block.name)) for block in found), default=0)
    forms = max(9, *(len(block.form) for block in found), 0)
    targets = {block.name: project.loaded.target_of(block).name for block in found if project.loaded.targets}
    wide = max(map(len, targets.values()), default=0)
    for block in found:
        where = f"{targets[block.name]:<{wide}}  " if targets else ""
        echo(f"{block.name!s:<{width}}  {block.form:<{forms}}  {where}{block.path}")
    if project.loaded.skipped:
        echo(f"skipped {len(project.loaded.skipped)} hidden: " + ", ".join(project.loaded.skipped))


def _list_pipelines(project: "Project", chosen: "frozenset[TableName]", output: str) -> None:
    """List the pipelines that have one of the chosen blocks, each with its blocks, inputs before readers."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.core.words import count

    found = [one for one in project.pipelines if one.blocks & chosen]
    width = max((len(one.pipeline.name) for one in found), default=0)
    times = max((len(one.pipeline.when) for one in found), default=0)
    for one in found:
        said = one.pipeline
        blocks = [str(block) for block in project.graph.order if block in one.blocks]
        if output == "json":
            echo(as_json.text({**_pipeline(said), "blocks": blocks}))
            continue
        echo(f"{said.name:<{width}}  {said.when:<{times}}  {count(len(blocks), 'block')}  {said.path}")
        for block in blocks:
            echo(f"  {block}")


def _pipeline(pipeline: "Pipeline") -> dict[str, Any]:
    return {
        "name": pipeline.name, "path": pipeline.path, "description": pipeline.description, "when": pipeline.when,
        "schedule": pipeline.schedule, "every": pipeline.every, "timezone": pipeline.timezone,
        "target": pipeline.target, "environment": pipeline.environment,
    }  # fmt: skip


def _object(block: "Block", project: "Project") -> dict[str, Any]:
    return {
        "name": str(block.name), "kind": block.kind, "materialize": block.config.materialize, "path": block.path,
        "target": project.loaded.target_of(block).name,
        "description": block.config.description, "tags": block.config.tags, "owner": block.config.owner,
        "inputs": sorted(map(str, project.graph.inputs[block.name])),
        "sources": sorted(map(str, project.graph.sources[block.name])),
        "files": block.code.files if block.code else (),
        "assertions": [assertion.name for assertion in block.assertions],
        **({"instance_of": str(block.instance.of), "with": block.instance.vars} if block.instance else {}),
    }  # fmt: skip
