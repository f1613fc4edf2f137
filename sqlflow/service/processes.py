"""Processes as a history can know them: by their number, where that number counts, and when they began."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path


def identity(pid: int) -> str:
    """Return a text that no other process of this or another time and machine has; empty if there is no such process."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in ("Z", "X") else f"{_place()}:{fields[19]}"
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    began = listed.stdout.strip().replace(":", ".")
    return f"{_place()}:{began}" if began else ""


@cache
def _place() -> str:
    """Return where the numbers of processes mean what they mean here: this boot of this machine, and this container."""
    if sys.platform == "linux":
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
            return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def is_here(process: str) -> bool:
    """Tell whether a process, by its identity, would be seen from this one."""
    return process.rpartition(":")[0] == _place()


def is_alive(pid: int, process: str) -> bool:
    """Tell whether the very process is still there."""
    return bool(pid and process) and identity(pid) == process


def end_group(pid: int, process: str) -> None:
    """Kill a process that leads its group, and the group, if it is still the very one."""
    if is_alive(pid, process):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
