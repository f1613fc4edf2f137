"""`sqlflow diff`"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sqlflow.cli.options import Place, block_argument, environment_option, json_option, project_options

if TYPE_CHECKING:
    from sqlflow.run.detach import Drift
    from sqlflow.run.diff import Difference, Some


@click.command("diff")
@block_argument
@click.option("--against", default="prod", metavar="NAME", help="The environment to compare with.  [default: prod]")
@click.option(
    "--key", default="", metavar="COLUMNS", help="What tells rows apart, instead of the key that the block says."
)
@click.option(
    "--limit", type=click.IntRange(0, 1000), default=5, show_default=True, help="How many rows to show of a kind."
)
@click.option(
    "--origin", is_flag=True, help="Compare the file of BLOCK with that of the block it was copied from instead."
)
@json_option
@project_options
@environment_option
def command(block: str, against: str, key: str, limit: int, origin: bool, output: str, place: Place) -> None:
    """Compare what two environments show of BLOCK: its columns, how many rows, and which rows and values differ.

    It is computed in the engine. `sqlflow diff revenue --env dev` tells what is new in `dev`.
    """
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo

    if origin:
        from sqlflow.run.detach import drift

        gone = drift(place.load().loaded, block)
        echo(as_json.text(as_json.plain(gone)) if output == "json" else "\n".join(_drift(gone)))
        return
    columns = tuple(part.strip() for part in key.split(",") if part.strip())
    found = place.load().diff(block, against, columns, limit)
    echo(as_json.text(as_json.plain(found)) if output == "json" else "\n".join(lines(found)))


def _drift(found: "Drift") -> Iterator[str]:
    moved = "has changed since" if found.has_moved else "is as it was"
    yield f"{found.block}: copied from {found.origin}, which {moved}"
    yield from found.lines or ("their files say the same",)


def lines(found: "Difference") -> Iterator[str]:
    """Yield what is told of a difference."""
    from sqlflow.core.words import count

    yield f"{found.block}: {found.after} against {found.before}"
    if found.is_same_version:
        yield f"the same version, {count(found.rows_after, 'row')}"
        return
    yield f"columns: {_columns(found)}"
    yield f"rows: {found.rows_before:,} → {found.rows_after:,}"
    yield from _rows(found)
    for title, some in (("added", found.added), ("removed", found.removed)):
        if some.count:
            yield from _table(f"{title}: {count(some.count, 'row')}", some)
    for column, some in (found.columns_changed or {}).items():
        yield from _table(f"{column}: changed in {count(some.count, 'row')}", some)


def _columns(found: "Difference") -> str:
    marked = [f"+ {column.name}" for column in found.columns_added]
    marked += [f"- {column.name}" for column in found.columns_removed]
    marked += [f"{one.name} {one.before.lower()} → {one.after.lower()}" for one in found.columns_retyped]
    return ", ".join(marked) or "the same"


def _rows(found: "Difference") -> Iterator[str]:
    """Yield what came of the rows, by key if there is one."""
    added, removed = found.added.count, found.removed.count
    if not found.key:
        yield f"by whole rows: {added:,} added, {removed:,} removed, {found.rows_after - added:,} the same"
        yield "the block says no key that tells rows apart: with `--key COLUMNS` changed rows are told"
        return
    same = found.rows_after - found.keyless[1] - added - found.changed
    yield f"by {', '.join(found.key)}: {added:,} added, {removed:,} removed, {found.changed:,} changed, {same:,} the same"
    if any(found.keyless):
        yield f"left out, since their key is NULL: {found.keyless[0]:,} → {found.keyless[1]:,}"


def _table(title: str, some: "Some") -> Iterator[str]:
    from sqlflow.cli.text import table

    yield f"\n{title}"
    if some.sample:
        yield from (f"  {line}" for line in table(some.columns, some.sample).split("\n"))
    if 0 < len(some.sample) < some.count:
        yield f"  … {some.count - len(some.sample):,} more"
