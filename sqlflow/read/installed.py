"""What is installed beside this program: adapters, told by entry points, and versions.

Both are read from the files themselves where all that is on the path are folders. `importlib.metadata` says the same in ten
times the time: it makes an object of every line of every file.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any

from msgspec import Struct

_SUFFIXES = (".dist-info", ".egg-info")


class Point(Struct, frozen=True, order=True):
    """An entry point: `value` is the module and, behind a colon, what of it is meant."""

    name: str
    value: str

    def load(self) -> Any:
        module, _, path = self.value.partition("[")[0].partition(":")
        found: Any = import_module(module.strip())
        for attribute in filter(None, path.strip().split(".")):
            found = getattr(found, attribute)
        return found


@cache
def points(group: str) -> tuple[Point, ...]:
    """Return the entry points of a group, by name."""
    folders = _folders()
    if folders is None:
        from importlib.metadata import entry_points

        return tuple(sorted(Point(point.name, point.value) for point in entry_points(group=group)))
    texts = (_text(f"{folder}/entry_points.txt") for folder in folders.values())
    return tuple(sorted(point for text in texts if f"[{group}]" in text for point in _points(text, group)))


def _points(text: str, group: str) -> Iterator[Point]:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == group and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield Point(name.strip(), value.strip())


def version(name: str) -> str:
    """Return the version of a distribution. Raise PackageNotFoundError if it is not installed.

    It is taken from one line: parsing all of the metadata, which may end with a text of many pages, takes ten times as long.
    """
    folder = (_folders() or {}).get(_key(name))
    line = re.search(r"^Version:[ \t]*(\S+)", _text(f"{folder}/METADATA") if folder else "", re.MULTILINE)
    if line:
        return line[1]
    from importlib.metadata import distribution

    return distribution(name).version


@cache
def _folders() -> Mapping[str, str] | None:
    """Return the folder that describes each distribution, the first on the path; None where others may be described elsewhere."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        return None
    found: dict[str, str] = {}
    for place in dict.fromkeys(sys.path):
        try:
            with os.scandir(place or ".") as entries:
                names = [entry.name for entry in entries if entry.name.endswith(_SUFFIXES)]
        except FileNotFoundError:
            continue
        except OSError:  # an archive, say
            return None
        if place.endswith(".egg"):
            return None
        for name in names:
            found.setdefault(_key(name.rpartition(".")[0].partition("-")[0]), f"{place or '.'}/{name}")
    return found


def _key(name: str) -> str:
    """Return a distribution's name as it compares."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123  a hundred Paths take as long as reading them
            return opened.read()
    except (OSError, UnicodeDecodeError):
        return ""
