"""Queries of the main thread, where Python hears signals: one that runs is interrupted, and not waited for."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

import duckdb

_AGAIN_SECONDS = 0.05
"""A query that has not begun yet does not see that it is interrupted."""
T = TypeVar("T")


class _Helper:
    """A thread that does what it is given, one after the other: starting one takes as long as a small query."""

    def __init__(self) -> None:
        self.given: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while self.given.get()() is not None:
            pass


_helpers: list[_Helper] = []
"""The one that helps the main thread; none before its first query, nor after one that was interrupted."""


def _helper() -> _Helper:
    if not _helpers or not _helpers[0].thread.is_alive():  # a process that was forked has no threads but one
        _helpers[:] = [_Helper()]
    return _helpers[0]


def interruptible(cursor: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Return what `work` gives, which runs a query on the cursor; interrupt that if a signal handler raises.

    In the main thread it runs in another thread. DuckDB looks for signals itself, but where the handler raises it waits
    for what its other threads have begun, to the end.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    found: list[T] = []
    failed: list[Exception] = []
    is_running = threading.Lock()

    def run() -> bool:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001  raised below
            failed.append(error)
        finally:
            is_running.release()
        return True

    helper = _helper()
    is_running.acquire()
    helper.given.put(run)
    try:
        is_running.acquire()
    except BaseException:
        _helpers.clear()  # what comes next, such as giving the lease back, need not wait for a query that does not end
        helper.given.put(lambda: None)
        cursor.interrupt()
        while not is_running.acquire(timeout=_AGAIN_SECONDS):
            cursor.interrupt()
        raise
    if failed:
        raise failed[0]
    return found[0]
