"""Which processes have a database file open, and how an error names them."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from sqlflow.core.errors import BusyError

_PROC = Path("/proc")
_BUILDS = {"build", "test", "clean"}


class Process(Struct, frozen=True):
    """A process that has the file: `words` are its program and what it was told to do, without options."""

    pid: int
    words: tuple[str, ...] = ()
    since: str = ""
    is_stopped: bool = False
    reads: bool = False

    @property
    def is_ours(self) -> bool:
        return self.words[:1] == ("sqlflow",)

    def __str__(self) -> str:
        name = f"`{' '.join(self.words)}` (pid {self.pid})" if self.words else f"pid {self.pid}"
        state = "stopped, running" if self.is_stopped else "running"
        return f"{name}, {state} since {self.since}" if self.since else name


def busy(path: Path, pid: int, program: str) -> BusyError:
    """Return the error that says who has the file at `path`; `pid` and `program` are what DuckDB says of one of them."""
    found = _holders(path) or (_process(pid, False, (Path(program).name,)),)
    writers = [process for process in found if not process.reads]
    if not writers:
        named = "; ".join(map(str, found))
        hint = "DuckDB lets nobody write while somebody reads: close it, or let it read a copy (`publish_copy` on the target)"
        return BusyError(f"`{path}` is open for reading in {named}", hint=hint)
    holder = writers[0]
    if holder.is_ours:
        who = "another build" if _BUILDS & set(holder.words) else "another sqlflow"
    else:
        who = "another program"
    return BusyError(f"`{path}` is held by {who}: {holder}", hint=_way_out(holder))


def _way_out(holder: Process) -> str:
    if holder.is_stopped:
        return f"it is stopped: let it go on with `kill -CONT {holder.pid}`, or end it with `kill -9 {holder.pid}`"
    if holder.is_ours:
        return f"wait for it with a longer `--lock-timeout`, or end it with `kill {holder.pid}`"
    return f"one process alone can have the file open while it is written: close it there, or end it with `kill {holder.pid}`"


def _holders(path: Path) -> tuple[Process, ...]:
    """Return the other processes that have a lock on the file; empty where the system does not list locks."""
    try:
        inode = path.stat().st_ino
        lines = (_PROC / "locks").read_text().splitlines()
    except OSError:
        return ()
    found: dict[int, bool] = {}
    for fields in map(str.split, lines):
        if len(fields) > 5 and fields[1] == "POSIX" and fields[5].rpartition(":")[2] == str(inode):
            pid, reads = int(fields[4]), fields[3] == "READ"
            if pid > 0 and pid != os.getpid():
                found[pid] = found.get(pid, True) and reads
    return tuple(_process(pid, reads) for pid, reads in sorted(found.items()))


def _process(pid: int, reads: bool, otherwise: tuple[str, ...] = ()) -> Process:
    try:
        told = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        started = _boot_seconds() + int(rest[18]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return _asked(pid, reads, otherwise)
    return Process(pid, _words(told) or otherwise, _time(started), state in "Tt", reads)


def _boot_seconds() -> int:
    lines = (_PROC / "stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _asked(pid: int, reads: bool, otherwise: tuple[str, ...]) -> Process:
    """Return what `ps` says of a process, where there is no `/proc`."""
    try:
        done = subprocess.run(
            ("ps", "-o", "lstart=,command=", "-p", str(pid)), capture_output=True, text=True, timeout=5, check=True,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "/bin:/usr/bin"), "TZ": "UTC"},
        )  # fmt: skip
        since, words = " ".join(done.stdout.split()[:5]), shlex.split(" ".join(done.stdout.split()[5:]))
    except (OSError, ValueError, subprocess.SubprocessError):
        return Process(pid, otherwise, reads=reads)
    return Process(pid, _words(words) or otherwise, f"{since} UTC" if since else "", reads=reads)


def _words(command: Sequence[str]) -> tuple[str, ...]:
    """Return a program's name and the first word behind it. Nothing more is shown: options may hold secrets.

    >>> _words(["/usr/bin/python3", "-m", "sqlflow", "build", "--vars", "password=x"])
    ('sqlflow', 'build')
    >>> _words(["duckdb", "-readonly", "warehouse.duckdb"])
    ('duckdb', 'warehouse.duckdb')
    """
    names = [Path(word).name for word in command if word and not word.startswith("-")]
    if names[1:2] == ["sqlflow"]:
        names = names[1:]
    if names[:1] == ["__main__.py"]:
        names = ["sqlflow", *names[1:]]
    return tuple(names[:2])
