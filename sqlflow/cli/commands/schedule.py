"""`sqlflow schedule`"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from sqlflow.cli.history import Folder, folder_options, pipeline_names, told_misfits, told_who_serves, when
from sqlflow.cli.options import json_option

if TYPE_CHECKING:
    from sqlflow.core.pipeline import Pipeline
    from sqlflow.service.history import History

pipeline_argument = click.argument("pipeline", shell_complete=pipeline_names)


@click.group("schedule")
def command() -> None:
    """Show schedules and what came of them, pause them, or run a pipeline now."""


@command.command("list")
@json_option
@folder_options
def list_(output: str, folder: Folder) -> None:
    """List the pipelines: when they run, when next, and how the latest run went."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table
    from sqlflow.service.installed import needed
    from sqlflow.service.schedule import next_time
    from sqlflow.service.values import now

    needed("sqlflow schedule list")
    pipelines = folder.pipelines()
    with folder.history() as history:
        states, latest = history.schedules(), history.latest()
    rows = []
    for name, pipeline in pipelines.items():
        paused = states[name].paused_by if name in states and states[name].is_paused else ""
        run = latest.get(name)
        row = {
            "pipeline": name, "schedule": _words(pipeline), "next": next_time(pipeline, now()), "paused_by": paused,
            "run": run.id if run else "", "status": run.status if run else "",
        }  # fmt: skip
        rows.append(row)
    if output == "json":
        for row in rows:
            echo(as_json.text(as_json.plain(row)))
    elif rows:
        cells = [
            (row["pipeline"], row["schedule"], _next(row), row["status"], row["run"])
            for row in rows
        ]  # fmt: skip
        echo(table(("pipeline", "schedule", "next (UTC)", "latest run", "its id"), cells))
    else:
        echo("there are no pipelines: they are files in `pipelines/`")
    told_misfits(folder, pipelines.values())


def _words(pipeline: "Pipeline") -> str:
    from sqlflow.core.flow import written

    words = []
    if pipeline.schedule is not None:
        words.append(pipeline.schedule + (f" {pipeline.timezone}" if pipeline.timezone != "UTC" else ""))
    if pipeline.every is not None:
        words.append(f"every {written(pipeline.every)}")
    words += [type(trigger).__name__.lower() for trigger in pipeline.triggers]
    return ", ".join(words)


def _next(row: dict[str, Any]) -> str:
    return f"paused by {row['paused_by']}" if row["paused_by"] else when(row["next"])


@command.command("next")
@pipeline_argument
@click.option("--limit", type=click.IntRange(1, 1000), default=5, help="How many times are shown.  [default: 5]")
@folder_options
def next_(pipeline: str, limit: int, folder: Folder) -> None:
    """Show the next times of a pipeline's schedule, on its own clock and in UTC."""
    from itertools import islice
    from zoneinfo import ZoneInfo

    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table
    from sqlflow.core.errors import UsageError
    from sqlflow.service.installed import needed
    from sqlflow.service.schedule import times
    from sqlflow.service.values import now

    needed("sqlflow schedule next")
    found = folder.pipeline(pipeline)
    rows = [
        (f"{at.astimezone(ZoneInfo(found.timezone)):%a %Y-%m-%d %H:%M:%S %Z}", when(at))
        for at in islice(times(found, now()), limit)
    ]
    if not rows:
        raise UsageError(f"the pipeline `{found.name}` has no schedule", hint="its file says `schedule` or `every`")
    echo(table((found.timezone, "UTC"), rows))


@command.command("ticks")
@click.argument("pipeline", required=False, shell_complete=pipeline_names)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="How many ticks are shown.  [default: 20]")
@json_option
@folder_options
def ticks(pipeline: str | None, limit: int, output: str, folder: Folder) -> None:
    """Show what came of times of schedules and of triggers, the latest first: of a pipeline, or of all."""
    from sqlflow.cli import as_json
    from sqlflow.cli.output import echo
    from sqlflow.cli.text import table

    name = (pipeline or "").lower()
    with folder.history() as history:
        found = history.ticks(name, limit=limit)
    if name and not found:
        folder.pipeline(name)  # one that is no longer there is still asked for by its name
    if output == "json":
        for tick in found:
            echo(as_json.text(as_json.plain(tick)))
    elif found:
        cells = [(when(one.due_at), one.pipeline, one.cause, one.outcome, one.reason, one.run) for one in found]
        echo(table(("due (UTC)", "pipeline", "cause", "outcome", "reason", "run"), cells))
    else:
        echo("no tick has come yet: `sqlflow serve` waits for them")


@command.command("pause")
@pipeline_argument
@folder_options
def pause(pipeline: str, folder: Folder) -> None:
    """Let the schedule and the triggers of a pipeline rest. Its ticks are recorded as skipped."""
    _change(pipeline, folder, "paused", lambda history, name: history.pause(name))


@command.command("resume")
@pipeline_argument
@folder_options
def resume(pipeline: str, folder: Folder) -> None:
    """Let a pipeline run again by its schedule and its triggers. What it has missed is not made up for."""
    _change(pipeline, folder, "resumed", lambda history, name: history.resume(name))


def _change(pipeline: str, folder: Folder, told: str, change: "Callable[[History, str], None]") -> None:
    from sqlflow.cli.output import echo

    found = folder.pipeline(pipeline)
    with folder.history() as history:
        change(history, found.name)
    echo(f"{told}: {found.name}")


@command.command("run")
@pipeline_argument
@click.option(
    "--vars", "given_vars", multiple=True, metavar="NAME=VALUE",
    help="A var, or a YAML mapping of vars; can be given several times.",
)  # fmt: skip
@folder_options
def run(pipeline: str, given_vars: tuple[str, ...], folder: Folder) -> None:
    """Ask the service for a run of a pipeline now. One that is still on is in the way, unless its pipeline says `overlap: queue`."""
    from sqlflow.cli.output import echo
    from sqlflow.read.config import given_vars as parsed

    found = folder.pipeline(pipeline)
    with folder.history() as history:
        asked = history.request_run(found.name, vars=parsed(given_vars), only=found.has_one_run)
        echo(f"asked for the run {asked.id} of {found.name}")
        told_who_serves(history, folder)
