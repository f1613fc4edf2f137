"""SIGINT and SIGTERM as messages: nothing is torn apart in the middle."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_to(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` with the exit code when a signal asks to end; a second signal ends the process at once.

    A terminal that goes away ends nothing: the work is finished without it. Python lets the main thread alone hear
    signals: elsewhere this does nothing. `stop` may be called between any two instructions, so it must do no more than
    put a message into a queue.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        if heard:
            os._exit(128 + number)
        heard.append(number)
        stop(128 + number)

    before = {number: signal.signal(number, hear) for number in _STOPPING}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unheard() -> Iterator[None]:
    """Finish what has begun: a signal changes nothing, and a second one ends the process."""
    with told_to(lambda exit_code: None):
        yield
