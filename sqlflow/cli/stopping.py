"""What SIGINT and SIGTERM do while no run hears them: they end the command, as long as there is something to end."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT."""


_STOPPING: dict[int, type[BaseException]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


class _Hearing:
    """What becomes of the next signal; `late` is the one that came when it was too late."""

    def __init__(self) -> None:
        self.is_over = False
        self.late = 0
        self.ended_by = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.is_over:
            self.ended_by = number
            raise _STOPPING[number]
        if self.late:
            os._exit(128 + number)
        self.late = number


_hearing = _Hearing()


def listen() -> None:
    """Raise what signals stand for where they come. What the command's caller has ignored stays ignored."""
    signal.signal(signal.SIGTERM, _hearing)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hearing)


def ended_by() -> int:
    """Return the signal that has ended the command, or 0: DuckDB makes a `RuntimeError` of what a signal raises."""
    return _hearing.ended_by


def too_late() -> None:
    """Let the exit code be what has been told: a signal changes nothing any more, and a second one ends the process."""
    _hearing.is_over = True


def once_more() -> None:
    """Let signals end the command again, as the one does that came when it was too late for what is over now."""
    _hearing.is_over = False
    if _hearing.late:
        _hearing(_hearing.late, None)


@contextmanager
def to_the_end() -> Iterator[None]:
    """Finish what has begun, whatever signals come; what has been done is what the exit code tells."""
    from sqlflow.run.signals import unheard

    with unheard():
        yield
        too_late()
