"""`sqlflow lineage`"""

import click

from sqlflow.cli.options import Place, project_options


@click.command("lineage")
@click.argument("block", required=False, default="", metavar="[BLOCK[.COLUMN]]")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@click.option("--json", "json_form", is_flag=True, help="Print nodes and edges as JSON.")
@project_options
def command(block: str, mermaid: bool, json_form: bool, place: Place) -> None:
    """Show what BLOCK is made from and what is made from it; of all blocks without one. Needs no connection.

    BLOCK.COLUMN shows the same of one column.
    """
    from sqlflow.cli import as_json, column_lineage
    from sqlflow.cli.lineage import as_edges, as_mermaid, as_text
    from sqlflow.cli.output import echo

    project = place.load()
    column = project.column(block) if block else None
    if column is not None:
        echo(column_lineage.shown(*column, "mermaid" if mermaid else "json" if json_form else "text"))
        return
    centre = project.block(block).name if block else None
    if json_form:
        echo(as_json.text(as_json.plain(as_edges(project.graph, centre))))
    elif mermaid:
        echo(as_mermaid(project.graph, centre))
    else:
        echo(as_text(project.graph, centre))
