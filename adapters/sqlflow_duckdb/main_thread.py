"""Queries of the main thread, where Python hears signals: one that runs is interrupted, and not waited for."""

import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar

import duckdb
from msgspec import Struct, field

_AGAIN_SECONDS = 0.05
"""A query that has not begun yet does not see that it is interrupted."""
T = TypeVar("T")


class _Job(Struct, eq=False):
    """A query for another thread. `answers` gets its result, or what it raised; `ended` is let go then."""

    work: Callable[[], Any] | None
    answers: list[tuple[Any, Exception | None]] = field(default_factory=list)
    ended: Any = field(default_factory=threading.Lock)


def interruptible(cursor: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Return what `work` gives, which runs a query on the cursor; interrupt that if a signal handler raises.

    In the main thread it runs in another one. DuckDB looks for signals itself, but where the handler raises it waits
    for what its other threads have begun, to the end.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    job = _Job(work)
    job.ended.acquire()
    _helper().put(job)
    try:
        job.ended.acquire()
    except BaseException:
        while not job.answers:
            cursor.interrupt()
            job.ended.acquire(timeout=_AGAIN_SECONDS)
        raise
    found: T
    found, error = job.answers[0]
    if error is not None:
        raise error
    return found


@cache
def _helper() -> "SimpleQueue[_Job]":
    """Return what takes work for the thread that helps the main one. Starting one for each query takes a fifth of a short one."""
    asked: SimpleQueue[_Job] = SimpleQueue()

    def serve() -> None:
        while True:
            job = asked.get()
            assert job.work is not None
            answer: tuple[Any, Exception | None]
            try:
                answer = job.work(), None
            except Exception as error:  # noqa: BLE001  raised where it is waited for
                answer = None, error
            job.work = None  # a cursor that is held here would be freed too late
            job.answers.append(answer)
            job.ended.release()
            del job, answer

    threading.Thread(target=serve, daemon=True).start()
    return asked
