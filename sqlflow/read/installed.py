"""What is installed beside this program: adapters, told by entry points, and versions."""

import re
from functools import cache
from importlib.metadata import EntryPoint, distribution, entry_points
from typing import Any


@cache
def _all() -> Any:
    """Return all entry points: each time they are asked for, the files of all that is installed are read."""
    return entry_points()


def points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, by name."""
    return tuple(sorted(_all().select(group=group), key=lambda point: point.name))


def version(name: str) -> str:
    """Return the version of a distribution. Raise PackageNotFoundError if it is not installed.

    It is taken from one line: parsing all of the metadata, which may end with a text of many pages, takes ten times as long.
    """
    found = distribution(name)
    line = re.search(r"^Version:[ \t]*(\S+)", found.read_text("METADATA") or "", re.MULTILINE)
    return line[1] if line else found.version
