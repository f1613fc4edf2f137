"""Queries of the main thread, where Python hears signals: one that runs is interrupted, and not waited for."""

import threading
from collections.abc import Callable
from typing import TypeVar

import duckdb

_AGAIN_SECONDS = 0.05
"""A query that has not begun yet does not see that it is interrupted."""
T = TypeVar("T")


def interruptible(cursor: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Return what `work` gives, which runs a query on the cursor; interrupt that if a signal handler raises.

    In the main thread it runs in a thread of its own. DuckDB looks for signals itself, but where the handler raises it waits
    for what its other threads have begun, to the end.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    found: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001  raised below
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        while thread.is_alive():
            cursor.interrupt()
            thread.join(_AGAIN_SECONDS)
        raise
    if failed:
        raise failed[0]
    return found[0]
