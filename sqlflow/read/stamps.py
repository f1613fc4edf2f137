"""What tells that a file has changed, without reading it."""

import os
from pathlib import Path

_CLOCK_STEP = 50_000_000
"""In nanoseconds. A file that was changed so shortly before it was looked at may change once more without another time of change."""
_SECOND = 1_000_000_000
_COARSE_STEP = 2 * _SECOND
"""The same where times are kept in whole seconds, or in pairs of them."""


def stamp(file: Path | str) -> tuple[int, int] | None:
    """Return a file's size in bytes and its time of change in nanoseconds since 1970; None where there is none to be had."""
    try:
        status = os.stat(file)  # noqa: PTH116  a Path for each file of a project takes as long as asking for it
    except OSError:
        return None
    return status.st_size, changed_at(status)


def changed_at(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


def is_settled(changed: int, at: int) -> bool:
    """Tell whether a change later than `at` is sure to show in the time of change of a file that was changed at `changed`."""
    return changed < at - (_CLOCK_STEP if changed % _SECOND else _COARSE_STEP)


def settled_stamp(file: Path, read_at: int) -> tuple[int, int] | None:
    """Return a file's stamp, if a later change is sure to show in it."""
    found = stamp(file)
    return found if found and is_settled(found[1], read_at) else None
