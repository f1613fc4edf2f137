"""What a command takes: CPU seconds of all its processes, wall seconds, and the most memory that one of them held."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    cpu: float
    """User and system seconds, of the process and all that it waited for."""
    wall: float
    megabytes: float


def taken(command: Sequence[str | Path], folder: Path, may_fail: bool = False) -> Figure:
    """Run a command in a folder and return what it took. Raise RuntimeError, with what it said, if it fails.

    Python may keep compiled files, as it does where nobody forbids it: a tool from PyPI has them since it was installed, this
    checkout since its first run.
    """
    started = time.perf_counter()
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
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
    found = [run() for _ in range(runs)]
    return Figure(*(statistics.median(getattr(one, name) for one in found) for name in ("cpu", "wall", "megabytes")))
