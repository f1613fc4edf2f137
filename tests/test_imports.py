"""Start-up time is a feature: what the command line imports before it knows what to do."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import write

from sqlflow import Project

HEAVY = ("sqlglot", "duckdb", "pandas", "pyarrow", "jinja2", "yaml", "msgspec", "rich")


@pytest.mark.parametrize("arguments", [[], ["--version"], ["--help"], ["build", "--help"], ["completion", "bash"]])
def test_nothing_heavy_is_imported_before_it_is_needed(arguments: list[str]) -> None:
    program = (
        "import sys; sys.argv = ['sqlflow', *sys.argv[1:]]\n"
        "from sqlflow.cli.main import main\n"
        "try:\n    main() if sys.argv[1:] else None\n"
        "except SystemExit:\n    pass\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


NOT_WHEN_IDLE = ("sqlglot", "jinja2", "sqlflow.run.static_check", "sqlflow.run.execute", "sqlflow.plan.pipelines")


@pytest.mark.parametrize("command", ["build", "plan"])
def test_nothing_that_builds_is_imported_where_nothing_is_to_be_built(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"blocks/marts/one.sql": "select 1 as id"})
    monkeypatch.setattr("sqlflow.read.stamps._CLOCK_STEP", -(10**12))  # else a file that is so new is read again
    Project.load(tmp_path).build()
    assert imported(NOT_WHEN_IDLE, command, "--project-dir", str(tmp_path)) == "[]"


NOT_WHEN_SETTLED = ("duckdb", "yaml", "sqlflow.app", "sqlflow.plan", "sqlflow.run.state")


def test_nothing_is_loaded_or_opened_where_no_file_has_changed_since_a_build_had_nothing_to_do(tmp_path: Path) -> None:
    write(tmp_path, {"blocks/marts/one.sql": "select 1 as id"})
    builds = (imported(NOT_WHEN_SETTLED, "build", "--project-dir", str(tmp_path)) for _ in range(60))
    assert "[]" in builds


def imported(names: tuple[str, ...], *arguments: str) -> str:
    """Run a command, and return which of the modules it has imported."""
    program = (
        "import sys; sys.argv = ['sqlflow', *sys.argv[1:]]\n"
        "from sqlflow.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        f"print([name for name in {names!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_ctrl_c_while_the_commands_are_imported_ends_the_process_without_a_word() -> None:
    program = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'sqlflow.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from sqlflow.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
