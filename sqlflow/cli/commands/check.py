"""`sqlflow check`"""

import click

from sqlflow.cli.options import Place, Selection, json_option, project_options, selection_options


@click.command("check")
@selection_options
@json_option
@project_options
def command(selection: Selection, output: str, place: Place) -> None:
    """Check that every query reads columns that are there and types that go together. Nothing is run.

    Where something is not known, nothing is said of it: it is counted at the end. `plan` and `build` check first, too.
    """
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.core.errors import ProjectError
    from sqlflow.core.words import count

    project = place.load()
    found = project.check(selection.select, selection.exclude)
    if output == "json":
        echo(as_json.text(as_json.plain(found)))
    if found.problems:
        raise ProjectError(found.problems)
    if output == "text":
        for warning in project.loaded.warnings:
            echo(f"warning: {warning}")
        for name, reason in found.unknown.items():
            echo(f"not checked: {name}, {reason}")
        checked = len(found.blocks) - len(found.unknown)
        echo(f"{count(checked, 'block')} checked" + (f", {len(found.unknown)} not" if found.unknown else ""))
