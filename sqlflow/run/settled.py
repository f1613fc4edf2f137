"""A project and a target that are just as they were when a build had nothing to do: the next one has nothing to do either.

Such a build goes by the stamps of files: those of the project, of the target, and of this program. They are taken before the project
is loaded, and once more when it was found that there is nothing to do. If both are the same, they are kept; while they stay so,
a build neither loads the project nor opens the target. It is done for projects alone of which it is sure that nothing else counts.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from sqlflow.core import events
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName
from sqlflow.read.sealed import sealed, unsealed
from sqlflow.read.stamps import changed_at, is_settled
from sqlflow.run.names import new_run
from sqlflow.run.report import BlockResult, Report

if TYPE_CHECKING:
    from sqlflow.plan.graph import Graph

FILE = Path(".sqlflow/settled.bin")
_FORM = 1
_HOLDS_SECONDS = 3600.0
"""How long builds go by what was kept: what has only grown old is swept by one that looks at everything."""
_FILES_AT_MOST = 40_000
"""Where there are more files, asking for them takes longer than it spares."""
OF_THE_SHELL = frozenset({"_", "OLDPWD", "SHLVL"})
"""What a shell sets anew in the environment for each command or each folder."""
_NO_PARTS = frozenset({"node_modules", "target", "venv"})


class _Kept(Struct, array_like=True):
    form: int
    stamp: bytes
    kept_at: float
    elsewhere: tuple[str, ...]
    """The target's files that are not among those of the project."""
    target: str
    environment: str
    warnings: tuple[str, ...]
    reused: tuple[tuple[str, str, str, str], ...]
    """The schema and the name of each block, and those of its relation."""


class Settled(Struct, frozen=True):
    """A build that has nothing to do, as it was kept: its blocks with their relations, and what it warned of."""

    target: str
    environment: str
    warnings: tuple[str, ...]
    reused: Mapping[TableName, TableName]

    def report(self, tell: Listener) -> Report:
        """Tell of a run in which every block is used again, and return its report."""
        return reported(self.target, self.environment, self.reused, tell)


class Look(Struct, frozen=True):
    """What was seen of all files before a project was loaded. `stamp` is None where that does not say enough, and where nothing was
    looked at, since nothing is kept."""

    root: Path
    asked: str
    stamp: bytes | None
    elsewhere: tuple[str, ...]
    found: Settled | None = None
    """The build that was kept, if nothing has changed since."""


def reported(target: str, environment: str, reused: Mapping[TableName, TableName], tell: Listener) -> Report:
    """Tell of a run in which every block is used again, and return its report."""
    run, started = new_run(), time.perf_counter()
    tell(events.RunStarted(run, target, environment, 0, 0, 0))
    for name in reused:
        tell(events.BlockReused(run, str(name)))
    seconds = time.perf_counter() - started
    tell(events.RunFinished(run, "succeeded", seconds))
    blocks = tuple(BlockResult(name, "reused", relation=relation) for name, relation in reused.items())
    return Report(run, target, "succeeded", seconds, blocks)


def look(root: Path, options: Iterable[object]) -> Look:
    """Return what is to be seen of a project's files, without reading one; `options` are those of the build that count.

    Nothing is looked at where nothing is kept: a project that goes by more than its files pays nothing for it.
    """
    root, asked = root.resolve(), repr(tuple(options))
    kept = _kept(root)
    if kept is None:
        return Look(root, asked, None, ())
    elsewhere, stamp = kept.elsewhere, _stamp(root, asked, kept.elsewhere)
    if stamp is None or kept.stamp != stamp or not 0 <= time.time() - kept.kept_at < _HOLDS_SECONDS:
        return Look(root, asked, stamp, elsewhere)
    reused = {TableName(schema, name): TableName(of, relation) for schema, name, of, relation in kept.reused}
    return Look(root, asked, stamp, elsewhere, Settled(kept.target, kept.environment, kept.warnings, reused))


def keep(seen: Look, graph: "Graph", report: Report) -> None:
    """Keep that a build had nothing to do, if it has told so and all was the same before it and after it.

    The first such build keeps no more than that it is worth while to look.
    """
    if not _had_nothing_to_do(report):
        return
    from sqlflow.run.by_files import goes_by_files
    from sqlflow.run.kept import write

    if not goes_by_files(graph):
        with suppress(OSError):
            (seen.root / FILE).unlink(missing_ok=True)
        return
    project = graph.project
    files = project.target.engine.files(project.target.settings, seen.root)
    elsewhere = tuple(str(file) for file in files if not _is_among(seen.root, file))
    is_same = seen.stamp and elsewhere == seen.elsewhere and _stamp(seen.root, seen.asked, elsewhere) == seen.stamp
    relations = [(block.block, block.relation) for block in report.blocks]
    reused = tuple((block.schema, block.name, of.schema, of.name) for block, of in relations if of)
    found = _Kept(
        _FORM, (is_same and seen.stamp) or b"", time.time(), elsewhere, report.target, project.environment.name,
        project.warnings, reused,
    )  # fmt: skip
    write(seen.root / FILE, lambda: sealed(msgspec.msgpack.encode(found)), make_folder=False)


def _had_nothing_to_do(report: Report) -> bool:
    done = report.published, report.dropped, report.assertions, report.unit_tests, report.problems
    return report.status == "succeeded" and not any(done) and all(one.status == "reused" for one in report.blocks)


def _kept(root: Path) -> _Kept | None:
    try:
        found = msgspec.msgpack.decode(unsealed((root / FILE).read_bytes()), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.form == _FORM else None


class _Unclear(Exception):
    """Only inside this module: what lies in the project's folder cannot be told by walking through it."""


def _stamp(root: Path, asked: str, elsewhere: Iterable[str]) -> bytes | None:
    """Return a hash of the stamps of all that a build goes by; None where a later change might not show in it."""
    now, whole = time.time_ns(), hashlib.blake2b(digest_size=16)
    known = sorted(item for item in os.environ.items() if item[0] not in OF_THE_SHELL)
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    whole.update(repr((asked, str(root), sys.version, sys.executable, user, known)).encode(errors="surrogateescape"))
    try:
        for number, (path, shown) in enumerate(_counted(str(root), elsewhere)):
            line, changed = _line(path, shown)
            if number >= _FILES_AT_MOST or not is_settled(changed, now):
                return None
            whole.update(line)
    except (OSError, _Unclear):
        return None
    return whole.digest()


def _counted(root: str, elsewhere: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the paths of all files that count, each as it is and as it is written into the stamp."""
    program = str(Path(__file__).parent.parent)
    yield from ((path, path) for path in (*sys.path, *elsewhere) if path != root)
    yield from (file for file in _files(program) if file[0].endswith(".py"))
    yield from _files(root, is_project=True)


def _line(path: str, shown: str) -> tuple[bytes, int]:
    """Return what tells a state of a file, or that it is not there, and when it was changed the last time."""
    try:
        found = os.stat(path)  # noqa: PTH116  a Path for each file takes as long as asking for it
    except FileNotFoundError:
        return f"{shown}\x00\x00".encode(errors="surrogateescape"), 1
    text = f"{shown}\x00{found.st_mode} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino} {found.st_dev}\x00"
    return text.encode(errors="surrogateescape"), changed_at(found)


def _files(root: str, is_project: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the files below a folder, always in the same order, and their paths in it."""
    folders = [""]
    while folders:
        here = folders.pop()
        with os.scandir(f"{root}/{here}") as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            shown = f"{here}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if not (is_project and not here and holds_no_part(entry.name)):
                    folders.append(f"{shown}/")
            elif entry.is_symlink() and entry.is_dir():
                raise _Unclear
            else:
                yield entry.path, shown


def holds_no_part(folder: str) -> bool:
    """Tell whether nothing in a folder of that name in the project's is looked at."""
    return folder.startswith(".") or folder in _NO_PARTS


def _is_among(root: Path, file: Path) -> bool:
    """Tell whether a file is among those that are looked at in the project's folder."""
    folders = file.relative_to(root).parts[:-1] if file.is_relative_to(root) else ("..",)
    return ".." not in folders and not (folders and holds_no_part(folders[0]))
