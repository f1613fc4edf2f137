"""`sqlflow list`"""

from typing import TYPE_CHECKING, Any

import click

from sqlflow.cli.options import Place, Selection, json_option, project_options, selection_options

if TYPE_CHECKING:
    from sqlflow.app import Project
    from sqlflow.core.block import Block


@click.command("list")
@selection_options
@json_option
@project_options
def command(selection: Selection, output: str, place: Place) -> None:
    """List the blocks of the project, inputs before readers. Needs no connection."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo

    project = place.load()
    chosen = project.selected(selection.select, selection.exclude)
    found = [project.loaded.blocks[name] for name in project.graph.order if name in chosen]
    if output == "json":
        for block in found:
            echo(as_json.text(_object(block, project)))
        return
    width = max((len(str(block.name)) for block in found), default=0)
    forms = max(9, *(len(block.form) for block in found), 0)
    for block in found:
        echo(f"{block.name!s:<{width}}  {block.form:<{forms}}  {block.source.path}")
    if project.loaded.skipped:
        echo(f"skipped {len(project.loaded.skipped)} hidden: " + ", ".join(project.loaded.skipped))


def _object(block: "Block", project: "Project") -> dict[str, Any]:
    return {
        "name": str(block.name), "kind": block.kind, "materialize": block.config.materialize, "path": block.source.path,
        "description": block.config.description, "tags": block.config.tags, "owner": block.config.owner,
        "inputs": sorted(map(str, project.graph.inputs[block.name])),
        "sources": sorted(map(str, project.graph.sources[block.name])),
        "files": block.code.files if block.code else (),
        "assertions": [assertion.name for assertion in block.assertions],
    }  # fmt: skip
