"""Services for tests: in this process, a round at a time, or as the real command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support import write

from sqlflow.service.history import History
from sqlflow.service.nouns import Run
from sqlflow.service.service import Service

SECONDS = 120.0
ENDLESS = "select sum(a.range * b.range) as n from range(10000000) as a, range(10000000) as b\n"
GATED = """import time
from pathlib import Path

from sqlflow import block


@block
def gated():
    import pandas as pd

    while not Path("{gate}").exists():
        time.sleep(0.05)
    print("the gate is open")
    return pd.DataFrame({{"id": [1]}})
"""


def project(folder: Path, files: dict[str, str]) -> Path:
    """Write a project with the blocks `a.one` and `a.two`, and more files."""
    return write(
        folder,
        {
            "sqlflow.yml": "name: p\n",
            "blocks/a/one.sql": "select 1 as id\n",
            "blocks/a/two.sql": "select id + 1 as id from one\n",
            **files,
        },
    )


def gated(folder: Path) -> tuple[str, Path]:
    """Return the text of a block that waits for a file, and the file."""
    gate = folder / "gate"
    return GATED.format(gate=gate), gate


def until(service: Service, is_true: Callable[[], bool]) -> None:
    """Let a service go round until something is true."""
    end = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < end, [str(run) for run in service.history.runs()]
        service.round()
        service.wake.wait(0.05)
        service.wake.clear()


def ended(service: Service, *runs: str) -> list[Run]:
    """Let a service go round until runs have ended, and return them."""
    until(service, lambda: all(service.history.run(run).has_ended for run in runs))
    return [service.history.run(run) for run in runs]


@contextmanager
def served(folder: Path, url: str = "") -> Iterator[Service]:
    """Give a service of a project; it goes round when `until` or `ended` say so."""
    service = Service(folder, History.open(folder, url))
    service.member.join()
    try:
        service.round()
        yield service
    finally:
        service.watches.close()
        service.waits.close()
        service.freshness.close()
        service.fits.close()
        service.runner.kill()
        service.member.leave()
        service.history.close()


def process(folder: Path, *more: str) -> "subprocess.Popen[str]":
    """Begin the real command."""
    return subprocess.Popen(
        [sys.executable, "-m", "sqlflow", "serve", "--port", "0", "--project-dir", str(folder), *more],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def processes_of(folder: Path) -> list[int]:
    """Return the processes that build the project in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"build" in words and str(folder).encode() in words:
            found.append(int(path.parent.name))
    return found


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def waited(is_true: Callable[[], bool]) -> None:
    """Wait until something is true that happens elsewhere."""
    end = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)
