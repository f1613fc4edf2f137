"""Runs something that has a report, and tells of it in the form that was asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlflow.cli import as_json
from sqlflow.cli.output import echo
from sqlflow.cli.terminal import listening, summary
from sqlflow.core.events import Event, Listener
from sqlflow.run.report import Report

if TYPE_CHECKING:
    from sqlflow.app import Project


def run_and_tell(run: Callable[[Listener], Report], project: "Project", output: str, quiet: bool, flags: str) -> int:
    """Run, print, and return the exit code."""

    def as_line(event: Event) -> None:
        echo(as_json.text(as_json.event(event)))

    def unheard(event: Event) -> None:
        """JSON is printed whole at the end."""

    if output == "text":
        for warning in project.loaded.warnings:
            echo(f"warning: {warning}")
        with listening(quiet) as listener:
            report = run(listener)
        echo("\n" + summary(report, flags))
    elif output == "jsonl":
        report = run(as_line)
    else:
        report = run(unheard)
        echo(as_json.text(as_json.plain(report)))
    return report.exit_code
