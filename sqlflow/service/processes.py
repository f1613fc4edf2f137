"""Processes as a history can know them: a number that is used again is told apart by when its process began."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path


def identity(pid: int) -> str:
    """Return a text that no other process of this or another time has; empty if there is no such process."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in ("Z", "X") else f"{_boot()}:{fields[19]}"
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return ""


def is_alive(pid: int, process: str) -> bool:
    """Tell whether the very process is still there."""
    return bool(pid and process) and identity(pid) == process


def end_group(pid: int, process: str) -> None:
    """Kill a process that leads its group, and the group, if it is still the very one."""
    if is_alive(pid, process):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
