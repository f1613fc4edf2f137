"""`sqlflow runs`"""

from typing import TYPE_CHECKING, Any

import click

from sqlflow.cli.history import Folder, folder_options, pipeline_names, when
from sqlflow.cli.options import json_option
from sqlflow.service.states import STATUSES

if TYPE_CHECKING:
    from sqlflow.service.history import History
    from sqlflow.service.nouns import Run


@click.group("runs", invoke_without_command=True)
@click.option("--pipeline", metavar="NAME", shell_complete=pipeline_names, help="Runs of this pipeline alone.")
@click.option(
    "--status", type=click.Choice(STATUSES), multiple=True, help="Runs in this state; can be given several times."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="How many runs are shown.  [default: 20]")
@click.option("--before", default="", metavar="ID", help="Runs that were asked for before this one.")
@json_option
@folder_options
@click.pass_context
def command(
    ctx: click.Context, pipeline: str | None, status: tuple[Any, ...], limit: int, before: str, output: str, folder: Folder
) -> None:  # fmt: skip
    """List the runs of pipelines, the latest first, or show one."""
    if ctx.invoked_subcommand is not None:
        return
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table
    from sqlflow.service.nouns import RunFilter

    with folder.history() as history:
        wanted = RunFilter((pipeline.lower(),) if pipeline else (), status)
        found = history.runs(wanted, before=before, limit=limit)
    if output == "json":
        for run in found:
            echo(as_json.text(as_json.plain(run)))
    elif not found:
        echo("there is no such run" if pipeline or status or before else "nothing has run yet")
    else:
        columns = ("run", "pipeline", "status", "cause", "asked for (UTC)", "took", "reason")
        echo(table(columns, [_row(run) for run in found]))


def _row(run: "Run") -> tuple[Any, ...]:
    from sqlflow.cli.text import seconds

    took = seconds(run.seconds) if run.seconds is not None else ""
    return run.id, run.pipeline, run.status, run.cause, when(run.requested_at), took, run.reason


@command.command("show")
@click.argument("run", metavar="ID")
@json_option
@folder_options
def show(run: str, output: str, folder: Folder) -> None:
    """Show a run: its attempts, its blocks, and what did not hold."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo

    with folder.history() as history:
        found = history.run(run)
        if output == "json":
            whole = {
                "run": found, "attempts": history.attempts(found.id), "blocks": history.blocks(found.id),
                "assertions": history.assertions(found.id),
            }  # fmt: skip
            echo(as_json.text(as_json.plain(whole)))
            return
        for part in _parts(history, found, folder):
            echo(part)


def _parts(history: "History", run: "Run", folder: Folder) -> list[str]:
    from sqlflow.cli.text import table
    from sqlflow.core.words import that_break

    facts = [
        ("pipeline", run.pipeline), ("status", run.status), ("reason", run.reason),
        ("cause", run.cause + (f" by {run.by}" if run.by else "")), ("asked for", when(run.requested_at)),
        ("due", when(run.due_at)), ("began", when(run.started_at)), ("ended", when(run.finished_at)),
        ("build", run.build), ("vars", ", ".join(f"{name}={value}" for name, value in run.vars.items())),
        ("retry of", run.retry_of),
    ]  # fmt: skip
    parts = ["\n".join(f"{name:10} {value}" for name, value in facts if value)]
    attempts = history.attempts(run.id)
    if len(attempts) > 1:
        rows = [(one.number, one.status, when(one.started_at), when(one.finished_at), one.reason) for one in attempts]
        parts.append("\n" + table(("attempt", "status", "began", "ended", "reason"), rows))
    blocks = history.blocks(run.id)
    if blocks:
        shown = [
            (one.block, one.status, one.rows if one.rows is not None else "", _took(one.seconds), one.message)
            for one in blocks
        ]
        parts.append("\n" + table(("block", "status", "rows", "took", "message"), shown))
    for assertion in history.assertions(run.id):
        if assertion.status != "passed":
            parts.append(f"\n{assertion.status}: {assertion.block}: {assertion.assertion}")
            parts.append(f"  {assertion.error or f'{that_break(assertion.failing)} it'}")
            if assertion.sample:
                parts.append(table(assertion.columns, assertion.sample))
    if run.status in ("failed", "lost", "cancelled"):
        parts.append(f"\nto run again what has failed: sqlflow retry {run.id}{folder.flags}")
    return parts


def _took(number: float | None) -> str:
    from sqlflow.cli.text import seconds

    return seconds(number) if number is not None else ""
