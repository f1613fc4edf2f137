"""`sqlflow freshness`"""

import sys
from typing import TYPE_CHECKING, Any

import click

from sqlflow.cli.options import (
    Place,
    Selection,
    environment_option,
    json_option,
    pipeline_option,
    project_options,
    selection_options,
)

if TYPE_CHECKING:
    from sqlflow.run.freshness import Freshness


@click.command("freshness")
@selection_options
@json_option
@project_options
@environment_option
@pipeline_option
def command(selection: Selection, output: str, place: Place) -> None:
    """Show how old the data of blocks is, and of the sources that they read: of those that say `fresh_within`.

    The exit code is 1 if some of it is too old.
    """
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table

    found = place.load().freshness(selection.select, selection.exclude)
    if output == "json":
        for one in found:
            echo(as_json.text(as_json.plain(one)))
    elif found:
        columns = ("name", "kind", "newest", "age", "may be", "status")
        echo(table(columns, [_row(one) for one in found]))
        for one in found:
            if one.reason:
                echo(f"{one.name}: {one.reason}")
    else:
        echo("nothing of it says `fresh_within`")
    sys.exit(0 if all(one.status == "fresh" for one in found) else 1)


def _row(found: "Freshness") -> tuple[Any, ...]:
    from sqlflow.core.flow import written

    newest = f"{found.newest:%Y-%m-%d %H:%M:%S} UTC" if found.newest else ""
    return str(found.name), found.kind, newest, age(found.seconds), written(found.within), found.status


def age(seconds: float | None) -> str:
    """Return an age for people: its largest unit, what is left over cut off.

    >>> age(59.0), age(7199.0), age(200000.0), age(None)
    ('< 1m', '1h', '2d', '')
    """
    if seconds is None:
        return ""
    unit, size = next(((unit, size) for unit, size in (("d", 86400), ("h", 3600)) if seconds >= size), ("m", 60))
    return f"{int(seconds // size)}{unit}" if seconds >= 60 else "< 1m"
