"""Options that several commands share, handed to a command as values.

They are named tuples: `--help` comes to its end before msgspec would be imported.
"""

import gc
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from sqlflow.app import Project

Command = Callable[..., Any]


class Place(NamedTuple):
    """Which project a command is for, on which target, with which vars."""

    project_dir: str
    target: str | None
    given_vars: tuple[str, ...]
    environment: str | None = None
    pipeline: str | None = None

    def load(self) -> "Project":
        """Return the project."""
        from sqlflow.app import Project
        from sqlflow.read.config import given_vars

        project = Project.load(
            _entered(self.project_dir), self.target, given_vars(self.given_vars), self.environment, self.pipeline
        )
        gc.freeze()  # it stays to the end: Python need not look for garbage in it
        return project

    @property
    def flags(self) -> str:
        """The options as they would be typed again, with a blank before them."""
        directory = f" --project-dir {self.project_dir}" if self.project_dir != "." else ""
        target = f" --target {self.target}" if self.target else ""
        environment = f" --env {self.environment}" if self.environment not in (None, "prod") else ""
        return directory + target + environment

    def flags_for(self, project: "Project") -> str:
        """The same, with the target and the environment that the pipeline says."""
        if project.pipeline is None:
            return self.flags
        environment = self.environment or project.pipeline.environment
        return self._replace(target=self.target or project.pipeline.target, environment=environment).flags


def _entered(project_dir: str) -> str:
    """Go to the project's folder, so that the relative paths in its SQL mean the project's files, and return it."""
    if Path(project_dir).is_dir():
        os.chdir(project_dir)
        return "."
    return project_dir


class Selection(NamedTuple):
    """Which blocks a command is for."""

    select: tuple[str, ...]
    exclude: tuple[str, ...]


def _with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def project_options(command: Command) -> Command:
    """Add the options that name a project; the command gets them as `place`."""

    @wraps(command)
    def call(project_dir: str, target: str | None, given_vars: tuple[str, ...], debug: bool, **others: Any) -> Any:
        return command(place=Place(project_dir, target, given_vars), **others)

    return _with_options(
        call,
        click.option("--project-dir", default=".", metavar="DIR", help="The project's folder.  [default: this folder]"),
        click.option("-t", "--target", metavar="NAME", help="The target, instead of the project's default."),
        click.option(
            "--vars", "given_vars", multiple=True, metavar="NAME=VALUE",
            help="A var, or a YAML mapping of vars; can be given several times.",
        ),
        click.option("--debug", is_flag=True, help="Show tracebacks of errors."),
    )  # fmt: skip


def environment_option(command: Command) -> Command:
    """Add the option that names an environment; it becomes a part of the command's `place`."""

    @wraps(command)
    def call(place: Place, environment: str | None, **others: Any) -> Any:
        return command(place=place._replace(environment=environment), **others)

    return click.option(
        "--env", "environment", metavar="NAME",
        help="The environment: `dev` publishes `marts.x` as `dev__marts.x`.  [default: prod]",
    )(call)  # fmt: skip


def pipeline_option(command: Command) -> Command:
    """Add the option that names a pipeline; it becomes a part of the command's `place`."""

    @wraps(command)
    def call(place: Place, pipeline: str | None, **others: Any) -> Any:
        return command(place=place._replace(pipeline=pipeline), **others)

    return click.option(
        "--pipeline", metavar="NAME", shell_complete=pipeline_names,
        help="The pipeline whose blocks, vars, target and limits are meant where no option says otherwise.",
    )(call)  # fmt: skip


def pipeline_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the pipelines whose names begin with what is typed."""
    from sqlflow.cli import completion

    return completion.pipeline_names(ctx.params.get("project_dir") or ".", incomplete)


def block_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the blocks whose names begin with what is typed."""
    from sqlflow.cli import completion

    return completion.block_names(ctx.params.get("project_dir") or ".", incomplete)


def selection_options(command: Command) -> Command:
    """Add the ways to select blocks; the command gets them as `selection`."""

    @wraps(command)
    def call(blocks: tuple[str, ...], select: tuple[str, ...], exclude: tuple[str, ...], **others: Any) -> Any:
        return command(selection=Selection((*blocks, *select), exclude), **others)

    return _with_options(
        call,
        click.argument("blocks", nargs=-1, metavar="[SELECTOR]...", shell_complete=block_names),
        click.option(
            "-s", "--select", multiple=True, metavar="SELECTOR", shell_complete=block_names,
            help="Blocks: `name`, `schema.*`, `+x`, `x+`, `2+x+1`, `@x`, `tag:`, `path:`, `owner:`, `source:`.",
        ),
        click.option(
            "--exclude", multiple=True, metavar="SELECTOR", shell_complete=block_names, help="Blocks to leave out."
        ),
    )  # fmt: skip


class _Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time as in the project file: `30`, `30s`, `5m`, and `0`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from sqlflow.core.errors import ProjectError
        from sqlflow.core.node import Node
        from sqlflow.core.text import SourceFile
        from sqlflow.read.decode import duration

        if value == "0":
            return 0.0
        try:
            return duration(Node("scalar", SourceFile("", value), 0, value), param.opts[0] if param else "time")
        except ProjectError as error:
            self.fail(error.problems[0].message, param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time in UTC as in front matter: `2026-01-31`, `2026-01-31 05:00`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from sqlflow.core.errors import ProjectError
        from sqlflow.core.node import Node
        from sqlflow.core.text import SourceFile
        from sqlflow.read.decode import moment

        try:
            return moment(Node("scalar", SourceFile("", value), 0, value), param.opts[0] if param else "time")
        except ProjectError as error:
            self.fail(error.problems[0].message, param, ctx)


def span_options(command: Command) -> Command:
    """Add the options that name a time; the command gets them as `start` and `end`."""
    return _with_options(
        command,
        click.option("--from", "start", metavar="TIME", type=Moment(), required=True, help="Where the time begins, in UTC: `2026-01-31`."),
        click.option("--to", "end", metavar="TIME", type=Moment(), required=True, help="Where it ends; the end does not belong to it."),
    )  # fmt: skip


block_argument = click.argument("block", shell_complete=block_names)
threads_option = click.option("--threads", type=click.IntRange(1, 256), help="How many blocks are built at once.")
lock_timeout_option = click.option(
    "--lock-timeout", type=_Seconds(), default="10m", metavar="TIME",
    help="How long to wait for somebody else who holds the target; 0 is not at all.  [default: 10m]",
)  # fmt: skip


def time_option(flag: str, help_text: str) -> Callable[[Command], Command]:
    """Return an option that takes a time; without it, None."""
    return click.option(flag, type=_Seconds(), metavar="TIME", help=help_text)


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print warnings, failures and the summary alone.")
json_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="The form of what is printed."
)
events_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json", "jsonl"]), default="text",
    help="`json` prints the report at the end, `jsonl` each event as it happens.",
)  # fmt: skip
