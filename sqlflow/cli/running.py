"""Runs something that has a report, and tells of it in the form that was asked for."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sqlflow.cli import as_json, stopping
from sqlflow.cli.faults import told
from sqlflow.cli.output import echo
from sqlflow.cli.terminal import listening, summary
from sqlflow.core.errors import SqlflowError
from sqlflow.core.events import Event, Listener, RunFinished
from sqlflow.core.flow import Retries
from sqlflow.run.report import Report

if TYPE_CHECKING:
    from sqlflow.app import Project


def run_and_tell(run: Callable[[Listener], Report], project: "Project", output: str, quiet: bool, flags: str) -> int:
    """Run, print, and return the exit code."""
    return told_run(run, project.loaded.warnings, output, quiet, flags).exit_code


def told_run(
    run: Callable[[Listener], Report], warnings: Iterable[str], output: str, quiet: bool, flags: str
) -> Report:  # fmt: skip
    """Run, print, and return the report."""

    def as_line(event: Event) -> None:
        echo(as_json.text(as_json.event(event)))

    def unheard(event: Event) -> None:
        """JSON is printed whole at the end."""

    if output == "text":
        for warning in warnings:
            echo(f"warning: {warning}")
        with listening(quiet) as listener:
            report = run(_until_finished(listener))
        echo("\n" + summary(report, flags))
    elif output == "jsonl":
        report = run(_until_finished(as_line))
    else:
        report = run(_until_finished(unheard))
        echo(as_json.text(as_json.plain(report)))
    return report


def _until_finished(listener: Listener) -> Listener:
    """Return the listener; once it has been told how the run has ended, no signal makes it another end."""

    def hear(event: Event) -> None:
        if isinstance(event, RunFinished):
            stopping.too_late()
        listener(event)

    return hear


_MAY_PASS = (1, 3, 4)
"""The exit codes of what may go well the next time: the run failed, somebody holds the target, or it is not to be had."""


def tried_again(run: Callable[[], int], retries: Retries) -> int:
    """Return the exit code of `run`, called again after a pause while it fails and there are tries left.

    Each try is a run of its own: what the one before has built is used.
    """
    tried = 0
    while True:
        tried += 1
        pause = retries.pause(tried)
        try:
            code = run()
        except SqlflowError as error:
            if pause is None or error.exit_code not in _MAY_PASS:
                raise
            code = told(error)
        if pause is None or code not in _MAY_PASS:
            return code
        stopping.once_more()
        echo(f"\ntried again in {pause:g} s: try {tried + 1} of {retries.count + 1}\n", err=True)
        time.sleep(pause)
