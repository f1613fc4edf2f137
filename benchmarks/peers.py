"""The tools that sqlflow is compared with, each in an environment of its own, pinned."""

import subprocess
import sys
from pathlib import Path

DBT = ("dbt-core==1.12.6", "dbt-duckdb==1.11.1", "dbt-adapters==1.24.5", "dbt-common==1.39.0")
SQLMESH = ("sqlmesh==0.236.4", "duckdb==1.5.6")
YATO = ("yato-lib==0.0.17", "duckdb==1.5.6")
ADBC = ("adbc-driver-postgresql==1.13.0", "adbc-driver-manager==1.13.0", "pyarrow==26.0.1", "psycopg[binary]==3.3.9")
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


def sqlmesh(folder: Path) -> Path:
    """Return the program `sqlmesh`, installed below `folder` if it is not there."""
    return _installed(folder / "sqlmesh", SQLMESH) / "sqlmesh"


def yato(folder: Path) -> Path:
    """Return the Python that can import `yato`, installed below `folder` if it is not there: its program runs nothing but a folder."""
    return _installed(folder / "yato", YATO) / "python"


def _installed(folder: Path, packages: tuple[str, ...]) -> Path:
    """Return the folder of programs of an environment that has some packages."""
    mark = folder / "installed"
    if not mark.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, *packages], check=True)
        mark.touch()
    return folder / "bin"


def adbc(folder: Path) -> Path:
    """Return the Python that can import ADBC's driver for Postgres."""
    return _installed(folder / "adbc", ADBC) / "python"
