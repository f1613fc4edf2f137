"""`sqlflow export`"""

import sys
from pathlib import Path

import click

from sqlflow.cli.history import Folder, folder_options, pipeline_names, told_misfits


@click.group("export")
def command() -> None:
    """Write the schedules for cron, systemd, Airflow or GitHub."""


@command.command("schedule")
@click.argument("pipelines", nargs=-1, metavar="[PIPELINE]...", shell_complete=pipeline_names)
@click.option(
    "--to", type=click.Choice(["cron", "systemd", "airflow", "github"]), required=True, help="Who is to run them."
)
@click.option("--into", metavar="DIR", help="Write files into this folder, instead of printing them.")
@folder_options
def schedule(pipelines: tuple[str, ...], to: str, into: str | None, folder: Folder) -> None:
    """Write the schedules of pipelines, all of them if none is named, for a machine without `sqlflow serve`.

    What the other one cannot do is told on stderr: triggers, intervals that no cron has, time zones on GitHub.
    """
    from sqlflow.cli.output import echo
    from sqlflow.core.errors import UsageError
    from sqlflow.service.exporting import exported
    from sqlflow.service.installed import needed

    needed("sqlflow export schedule")
    chosen = [folder.pipeline(name) for name in pipelines] or list(folder.pipelines().values())
    found = exported(to, chosen, folder.root.resolve(), str(Path(sys.argv[0]).resolve()))
    for message in found.left_out:
        echo(f"left out: {message}", err=True)
    told_misfits(folder, chosen)
    if not found.files:
        raise UsageError("there is no schedule to write", hint="a pipeline's file says `schedule` or `every`")
    for name, text in found.files.items():
        if into is None:
            echo((f"# ── {name}\n" if len(found.files) > 1 else "") + text.rstrip("\n"))
        else:
            path = Path(into) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            echo(f"wrote {path}")
