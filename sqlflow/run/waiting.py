"""Waits for what somebody else holds, telling who that is, and never longer than it may."""

import queue
import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlflow.core import events
from sqlflow.core.errors import BusyError, Cancelled, Problem
from sqlflow.core.events import Listener
from sqlflow.run.signals import told_to

LOCK_SECONDS = 600.0
_PAUSE_SECONDS = 0.02, 0.5
"""The first pause between two tries, and the longest one."""
T = TypeVar("T")


def waited(attempt: Callable[[], T], seconds: float, tell: Listener) -> T:
    """Return what `attempt` gives as soon as it does not raise BusyError any more.

    Each holder is told once. Raise its BusyError after `seconds`, counted from when it is known that somebody has it, and
    Cancelled if a signal asks to end.
    """
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    deadline: float | None = None
    pause, told = _PAUSE_SECONDS[0], ""
    with told_to(stop.put):
        while True:
            try:
                return attempt()
            except BusyError as error:
                busy = error
            now = time.monotonic()
            deadline = now + seconds if deadline is None else deadline  # finding out who it is takes its time, too
            left = deadline - now
            if left <= 0:
                raise _after(busy, seconds)
            if busy.problems[0].message != told:
                told = busy.problems[0].message
                tell(events.Waiting(told, seconds))
            try:
                raise Cancelled(stop.get(timeout=min(left, pause * random.uniform(0.5, 1.0))))
            except queue.Empty:
                pause = min(pause * 1.5, _PAUSE_SECONDS[1])


def _after(error: BusyError, seconds: float) -> BusyError:
    if not seconds:
        return error
    first = error.problems[0]
    return BusyError(Problem(f"{first.message}; waited {seconds:g} s for it", first.place, first.hint))
