"""`sqlflow failures`"""

import shutil
import sys

import click

from sqlflow.cli.options import Place, environment_option, json_option, project_options


@click.command("failures")
@click.argument("block", required=False, default="")
@json_option
@project_options
@environment_option
def command(block: str, output: str, place: Place) -> None:
    """Show the rows that broke assertions in the latest run that had any: of a BLOCK, an assertion's file, or all."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table
    from sqlflow.core.words import count

    project = place.load()
    found = project.failures(block)
    if output == "json":
        for failure in found:
            echo(as_json.text(as_json.plain(failure)))
        return
    if not found:
        echo("no failures are recorded")
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 0
    for failure in found:
        status = "warned" if failure.severity == "warn" and not failure.error else "failed"
        name = f"{failure.block}: {failure.assertion}" if failure.block != failure.assertion else failure.block
        echo(f"{name}  {status}: {failure.error or count(failure.failing, 'row')}  (run {failure.run})")
        if failure.sample:
            echo(
                "\n".join(
                    f"    {line}"
                    for line in table(failure.columns, failure.sample, width - 4 if width else 0).split("\n")
                )
            )
        if 0 < len(failure.sample) < failure.failing:
            echo(f"    … {count(failure.failing - len(failure.sample), 'more row')}")
