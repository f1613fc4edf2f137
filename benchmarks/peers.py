"""The tools that sqlflow is compared with, each in an environment of its own, pinned."""

import subprocess
import sys
from pathlib import Path

DBT = ("dbt-core==1.12.6", "dbt-duckdb==1.11.1", "dbt-adapters==1.24.5", "dbt-common==1.39.0")
_NEEDED = """
from importlib.metadata import requires
for package in ("dbt-core", "dbt-duckdb", "dbt-adapters", "dbt-common"):
    for line in requires(package) or ():
        if "extra ==" not in line and "experimental-parser" not in line and not line.startswith(("dbt-core", "dbt-duckdb", "dbt-adapters", "dbt-common")):
            print(line)
"""


def dbt(folder: Path) -> Path:
    """Return the program `dbt`, installed below `folder` if it is not there.

    Its optional second parser is left out: it is fetched from elsewhere while it is installed, and the usual one is not
    affected.
    """
    program = folder / "dbt/bin/dbt"
    if not program.exists():
        python = folder / "dbt/bin/python"
        subprocess.run([sys.executable, "-m", "venv", folder / "dbt"], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--no-deps", *DBT], check=True)
        needed = subprocess.run([python, "-c", _NEEDED], check=True, capture_output=True, text=True).stdout
        # pip says on its standard error that the optional parser is not there
        subprocess.run([*pip, *needed.splitlines()], check=True, stderr=subprocess.DEVNULL)
    return program
