"""`sqlflow show`"""

import shutil
import sys

import click

from sqlflow.cli.options import Place, block_argument, environment_option, json_option, pipeline_option, project_options


@click.command("show")
@block_argument
@click.option("--limit", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many rows.")
@click.option("--cte", default="", metavar="NAME", help="Show a CTE of the block's query instead.")
@json_option
@project_options
@environment_option
@pipeline_option
def command(block: str, limit: int, cte: str, output: str, place: Place) -> None:
    """Show the first rows of a block as it is published, or of one of its CTEs run over what is published."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table
    from sqlflow.core.words import count

    project = place.load()
    rows = project.shown(block, limit, cte)
    if output == "json":
        for row in rows.rows:
            echo(as_json.text(as_json.plain(dict(zip(rows.columns, row, strict=True)))))
        return
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 0
    echo(table(rows.columns, rows.rows, width))
    counted = count(len(rows.rows), "row")
    if project.loaded.targets:
        counted += f" in {project.loaded.target_of(project.block(block)).name}"
    echo(f"\nthe first {counted.removeprefix('1 ')}" if len(rows.rows) == limit else f"\n{counted}")
