"""What a command takes: CPU seconds of all its processes, wall seconds, and the most memory that one of them held."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    cpu: float
    """User and system seconds, of the process and all that it waited for."""
    wall: float
    megabytes: float

    def __add__(self, other: "Figure") -> "Figure":
        """Return what two that ran beside each other took together."""
        return Figure(self.cpu + other.cpu, max(self.wall, other.wall), max(self.megabytes, other.megabytes))


def taken(
    command: Sequence[str | Path], folder: Path, may_fail: bool = False, variables: Mapping[str, str] | None = None
) -> Figure:
    """Run a command in a folder, with more `variables` of the environment, and return what it took.

    Raise RuntimeError, with what it said, if it fails.

    Python may keep compiled files, as it does where nobody forbids it: a tool from PyPI has them since it was installed, this
    checkout since its first run.
    """
    started = time.perf_counter()
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1", **(variables or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen(
        [*map(str, command)], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not may_fail:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said[-3000:]}")
    return Figure(used.ru_utime + used.ru_stime, time.perf_counter() - started, used.ru_maxrss / 1024)


def median(run: Callable[[], Figure], runs: int) -> Figure:
    """Return the medians of several runs, each by itself."""
    return medians([run() for _ in range(runs)])


def in_turn(one: Callable[[], Figure], other: Callable[[], Figure], runs: int) -> tuple[Figure, Figure]:
    """Return the medians of two that run in turn: a machine that is slow for a while is so for both."""
    found = [(one(), other()) for _ in range(runs)]
    return medians([first for first, _ in found]), medians([second for _, second in found])


def medians(found: Sequence[Figure]) -> Figure:
    """Return the medians of figures, each by itself."""
    return Figure(*(statistics.median(getattr(one, name) for one in found) for name in ("cpu", "wall", "megabytes")))


@dataclass(frozen=True, slots=True)
class Server:
    """A server whose processes are children of `pid`, each of which serves one connection."""

    pid: int

    @classmethod
    def of_postgres(cls, url: str) -> "Server":
        """Return the server of a URL, which must run on this machine."""
        import psycopg

        with psycopg.connect(url) as connection:
            fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
        return cls(int(fields[1]))

    def taken(self, command: Sequence[str | Path], folder: Path) -> tuple[Figure, Figure]:
        """Return what a command takes, and what the server takes for it: the CPU seconds of the processes that end with it."""
        children, before = self._children(), self._ended()
        figure = taken(command, folder)
        while self._children() - children:
            time.sleep(0.01)
        return figure, Figure(self._ended() - before, figure.wall, 0.0)

    def _children(self) -> frozenset[int]:
        return frozenset(map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()))

    def _ended(self) -> float:
        """Return the CPU seconds of the children that have ended: `cutime` and `cstime` of proc(5), in clock ticks."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
