"""Options that several commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sqlflow.app import Project

F = TypeVar("F", bound=Callable[..., Any])


def _stacked(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


project_options = _stacked(
    click.option("--project-dir", default=".", metavar="DIR", help="The project's folder.  [default: this folder]"),
    click.option("-t", "--target", metavar="NAME", help="The target, instead of the project's default."),
    click.option(
        "--vars", "given", multiple=True, metavar="NAME=VALUE",
        help="A var, or a YAML mapping of vars; can be given several times.",
    ),
    click.option("--debug", is_flag=True, help="Show tracebacks of errors."),
)  # fmt: skip


def _block_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from sqlflow.cli.completion import block_names

    return block_names(ctx.params.get("project_dir") or ".", incomplete)


selection_options = _stacked(
    click.argument("blocks", nargs=-1, metavar="[SELECTOR]...", shell_complete=_block_names),
    click.option(
        "-s", "--select", multiple=True, metavar="SELECTOR", shell_complete=_block_names,
        help="Blocks: `name`, `schema.*`, `+x`, `x+`, `2+x+1`, `@x`, `tag:`, `path:`, `owner:`, `source:`.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="SELECTOR", shell_complete=_block_names, help="Blocks to leave out."
    ),
)  # fmt: skip

block_argument = click.argument("block", shell_complete=_block_names)
threads_option = click.option("--threads", type=click.IntRange(1, 256), help="How many blocks are built at once.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print warnings, failures and the summary alone.")
json_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="The form of what is printed."
)
events_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json", "jsonl"]), default="text",
    help="`json` prints the report at the end, `jsonl` each event as it happens.",
)  # fmt: skip


def loaded(project_dir: str, target: str | None, given: tuple[str, ...]) -> "Project":
    """Return the project that the shared options name."""
    from sqlflow.app import Project
    from sqlflow.cli.output import hide
    from sqlflow.read.config import given_vars

    project = Project.load(project_dir, target, given_vars(given))
    hide(project.loaded.secrets)
    return project
