"""Start-up time is a feature: what the command line imports before it knows what to do."""

import subprocess
import sys

import pytest

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
