"""The tools that sqlflow is compared with, each in an environment of its own, pinned."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

DBT = (
    "dbt-core==1.12.6", "dbt-duckdb==1.11.1", "dbt-postgres==1.11.0", "dbt-adapters==1.24.5", "dbt-common==1.39.0",
)  # fmt: skip
SQLMESH = ("sqlmesh==0.236.4", "duckdb==1.5.6")
YATO = ("yato-lib==0.0.17", "duckdb==1.5.6")
ADBC = ("adbc-driver-postgresql==1.13.0", "adbc-driver-manager==1.13.0", "pyarrow==26.0.1", "psycopg[binary]==3.3.9")
_NEEDED = """
from importlib.metadata import requires
ours = ("dbt-core", "dbt-duckdb", "dbt-postgres", "dbt-adapters", "dbt-common")
for package in ours:
    for line in requires(package) or ():
        if "extra ==" not in line and "experimental-parser" not in line and not line.startswith(ours):
            print(line)
"""


def dbt(folder: Path) -> Path:
    """Return the program `dbt`, installed below `folder` if it is not there.

    Its optional second parser is left out: it is fetched from elsewhere while it is installed, and the usual one is not
    affected.
    """

    def install(pip: list[str | Path]) -> None:
        subprocess.run([*pip, "--no-deps", *DBT], check=True)
        needed = subprocess.run([pip[0], "-c", _NEEDED], check=True, capture_output=True, text=True).stdout
        # pip says on its standard error that the optional parser is not there
        subprocess.run([*pip, *needed.splitlines()], check=True, stderr=subprocess.DEVNULL)

    return _installed(folder / "dbt", DBT, install) / "dbt"


def sqlmesh(folder: Path) -> Path:
    """Return the program `sqlmesh`, installed below `folder` if it is not there."""
    return _installed(folder / "sqlmesh", SQLMESH) / "sqlmesh"


def yato(folder: Path) -> Path:
    """Return the Python that can import `yato`, installed below `folder` if it is not there: its program runs nothing but a folder."""
    return _installed(folder / "yato", YATO) / "python"


def _installed(
    folder: Path, packages: tuple[str, ...], install: Callable[[list[str | Path]], None] | None = None
) -> Path:
    """Return the folder of programs of an environment that has some packages, and is made anew where it has others."""
    mark = folder / "installed"
    if not mark.exists() or mark.read_text() != " ".join(packages):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        if install is None:
            subprocess.run([*pip, *packages], check=True)
        else:
            install(pip)
        mark.write_text(" ".join(packages))
    return folder / "bin"


def adbc(folder: Path) -> Path:
    """Return the Python that can import ADBC's driver for Postgres."""
    return _installed(folder / "adbc", ADBC) / "python"
