"""`sqlflow why`"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sqlflow.cli.options import Place, block_argument, environment_option, json_option, project_options

if TYPE_CHECKING:
    from sqlflow.plan.why import Why


@click.command("why")
@block_argument
@json_option
@project_options
@environment_option
def command(block: str, output: str, place: Place) -> None:
    """Show why `sqlflow build` would build BLOCK or not: what has changed, what is the same, and what to change."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo

    project = place.load()
    found = project.why(block)
    target = project.loaded.target_of(project.block(block)).name if project.loaded.targets else ""
    echo(as_json.text(as_json.plain(found)) if output == "json" else _text(found, target))


Items = list[tuple[str, tuple[str, ...]]]


def _text(found: "Why", target: str) -> str:
    remedies: Items = [(remedy, ()) for remedy in dict.fromkeys(change.remedy for change in found.changed) if remedy]
    sections: list[tuple[str, Items]] = [
        ("changed", [(change.what, change.details) for change in found.changed]),
        ("the same", [(what, ()) for what in found.same]),
        ("to use its version again", remedies if found.action == "build" else []),
    ]
    shown = [(title, items) for title, items in sections if items]
    where = f" in {target}" if target else ""
    lines = [f"{found.block}{where}: {found.action}, {found.reason}"]
    for number, (title, items) in enumerate(shown, 1):
        lines += [f"{_branch(number, shown)} {title}", *_branches(items, "   " if number == len(shown) else "│  ")]
    return "\n".join(lines)


def _branches(items: Items, indent: str) -> list[str]:
    lines = []
    for number, (what, details) in enumerate(items, 1):
        below = indent + ("     " if number == len(items) else "│    ")
        lines += [f"{indent}{_branch(number, items)} {what}", *(f"{below}{detail}" for detail in details)]
    return lines


def _branch(number: int, items: Sequence[object]) -> str:
    return "└─" if number == len(items) else "├─"
