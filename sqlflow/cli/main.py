"""`sqlflow`: the group of commands, and what happens to errors."""

import atexit
import gc
import os
import signal
import sys
from importlib import import_module
from typing import NoReturn

import click

import sqlflow
from sqlflow.cli import stopping

COMMANDS = {
    "init": "Make a project that builds at once.",
    "build": "Build, check and publish blocks.",
    "backfill": "Build intervals of time again.",
    "plan": "Show what a build would do, and why.",
    "check": "Check that queries read columns that are there.",
    "why": "Show why a block is built or not.",
    "list": "List the blocks.",
    "show": "Show rows of a block.",
    "render": "Show a block's SQL, rendered.",
    "test": "Run assertions on what is published, or unit tests.",
    "new": "Write a unit test, or a block or pipeline from a template.",
    "detach": "Copy a block for one pipeline.",
    "promote": "Publish in prod what another environment shows.",
    "rollback": "Show again what the latest publish has replaced.",
    "verify": "Build intervals of time aside, and compare.",
    "diff": "Compare what two environments show of a block.",
    "env": "List environments, or drop one.",
    "failures": "Show the rows that broke assertions in the latest run.",
    "freshness": "Show how old the data of sources and blocks is.",
    "lineage": "Show what a block is made from and what is made from it.",
    "serve": "Run pipelines by their schedules and triggers.",
    "notify": "Send a message to one of the project's notifications.",
    "token": "Make, list and revoke tokens for the HTTP API.",
    "runs": "List the runs of pipelines, or show one.",
    "logs": "Show what a run has printed.",
    "cancel": "End a run.",
    "retry": "Run again what has failed in a run.",
    "schedule": "Show schedules and what came of them, pause them, or run a pipeline now.",
    "export": "Write the schedules for cron, systemd, Airflow or GitHub.",
    "debug": "Check the project, the engines and every connection.",
    "gc": "Drop what no published relation needs and what is older than `keep`.",
    "clean": "Drop what no published relation needs.",
    "completion": "Print the shell's completion script.",
}


_NEW_OBJECTS = 200_000
"""After how many new objects Python looks for garbage: after 700 it takes a sixth of a build that has nothing to do."""


class _Commands(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"sqlflow.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from sqlflow.core.errors import did_you_mean

            hint = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"There is no command `{args[0]}`." + (f" {hint[0].upper()}{hint[1:]}" if hint else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sqlflow.__version__, "-V", "--version", message="sqlflow %(version)s")
def cli() -> None:
    """A build system for data.

    Write SELECTs; sqlflow finds out what depends on what, builds it, checks every result before anyone can see it,
    and publishes it all at once.

    `sqlflow build` in a folder of .sql files is all it takes; `sqlflow COMMAND --help` tells more.
    """


def run() -> NoReturn:
    """Run the command line as all that this process does, and end the process.

    What was registered for the end is done and what was printed is written, but nothing is freed: going through every object
    and module takes a tenth of a build that has nothing to do.
    """
    try:
        main()
    except SystemExit as ended:
        if not isinstance(ended.code, int) or _is_waited_for():
            raise
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code)


def _is_waited_for() -> bool:
    """Tell whether somebody goes on when the command is over: a thread that is no daemon, a debugger or a profiler."""
    threading = sys.modules.get("threading")
    others = [thread for thread in threading.enumerate() if not thread.daemon][1:] if threading else []
    return bool(others or sys.gettrace() or sys.getprofile())


def main() -> NoReturn:
    """Run the command line and exit with the code that says how it went."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    stopping.listen()
    gc.set_threshold(_NEW_OBJECTS)
    try:
        code = cli.main(prog_name="sqlflow", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort, stopping.Terminated):
        _exit_cancelled()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  the outermost edge: whatever comes here is told, and exits
        if stopping.ended_by():
            _exit_cancelled()
        from sqlflow.cli.faults import told

        sys.exit(told(error))
    finally:
        stopping.too_late()
    sys.exit(code if isinstance(code, int) else 0)


def _exit_cancelled() -> NoReturn:
    click.echo("cancelled", err=True)
    sys.exit(128 + (stopping.ended_by() or signal.SIGINT))
