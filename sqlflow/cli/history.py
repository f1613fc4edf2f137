"""What the commands about runs share: which project's history they look into, and how they show it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlflow.core.pipeline import Pipeline
    from sqlflow.service.history import History

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Folder:
    """The project whose history a command looks into."""

    project_dir: str

    @property
    def root(self) -> Path:
        return Path(self.project_dir)

    @property
    def flags(self) -> str:
        """The option as it would be typed again, with a blank before it."""
        return f" --project-dir {self.project_dir}" if self.project_dir != "." else ""

    @contextmanager
    def history(self) -> Iterator["History"]:
        """Open the history that the project file names; a folder that has none gets one."""
        from sqlflow.read.config import project_config
        from sqlflow.service.history import History

        opened = History.open(self.root, project_config(self.root).service.history)
        try:
            yield opened
        finally:
            opened.close()

    def pipelines(self) -> Mapping[str, "Pipeline"]:
        """Return the project's pipelines. Raise ProjectError for their faults."""
        from sqlflow.read.config import project_file
        from sqlflow.read.pipelines import read_pipelines

        project_file(self.root)
        return read_pipelines(self.root)

    def pipeline(self, name: str) -> "Pipeline":
        """Return one pipeline by its name. Raise UsageError if there is none."""
        from sqlflow.core.errors import UsageError, did_you_mean

        known = self.pipelines()
        if name.lower() not in known:
            hint = did_you_mean(name, known) or "`sqlflow schedule list` shows them"
            raise UsageError(f"there is no pipeline `{name}`", hint=hint)
        return known[name.lower()]


def folder_options(command: Command) -> Command:
    """Add the options that name a project's folder; the command gets them as `folder`."""

    @wraps(command)
    def call(project_dir: str, debug: bool, **others: Any) -> Any:
        return command(folder=Folder(project_dir), **others)

    call = click.option("--debug", is_flag=True, help="Show tracebacks of errors.")(call)
    return click.option(
        "--project-dir", default=".", metavar="DIR", help="The project's folder.  [default: this folder]"
    )(call)


def pipeline_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of pipelines for the shell."""
    from sqlflow.cli.completion import pipeline_names

    return pipeline_names(ctx.params.get("project_dir") or ".", incomplete)


def when(at: datetime | None) -> str:
    """Return a time for people."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def told_misfits(folder: Folder, pipelines: "Iterable[Pipeline]") -> None:
    """Say what keeps pipelines from being built, or the whole project."""
    from sqlflow.cli.output import echo
    from sqlflow.service.fitting import misfits

    others = {one.path for one in folder.pipelines().values()} - {one.path for one in pipelines}
    for problem in misfits(folder.root):
        if problem.place and problem.place.path in others:
            continue
        echo(f"warning: {problem}\n  runs fail until this is put right", err=True)


def told_who_serves(history: "History", folder: Folder) -> None:
    """Say so if no service is there to do what was asked for."""
    from sqlflow.cli.output import echo

    if not history.is_served():
        echo(f"warning: no service is there: `sqlflow serve{folder.flags}` does it", err=True)
