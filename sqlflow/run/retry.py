"""Tries again what may succeed the next time: after a deadlock, a lock that was not to be had, a connection that broke."""

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlflow.core.errors import LostError, SqlflowError, StatementError, TargetError

TRIES = 5
_FIRST_PAUSE_SECONDS = 0.2
T = TypeVar("T")


def is_transient(error: BaseException | None) -> bool:
    """Tell whether an error, or the one behind it, is of the kind that passes."""
    return any(
        isinstance(one, LostError) or (isinstance(one, StatementError) and one.transient) for one in _behind(error)
    )


def is_lost(error: BaseException | None) -> bool:
    """Tell whether an error, or the one behind it, is that the connection broke."""
    return any(isinstance(one, LostError) for one in _behind(error))


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those behind it, each once: an error may have been raised again as its own cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def retried(attempt: Callable[[], T], before_next: Callable[[SqlflowError], bool]) -> T:
    """Return what `attempt` gives, tried up to five times with growing pauses.

    `before_next` hears each transient error, and whether to go on is what it returns. Once the connection was lost, not
    being able to connect passes too: the server may be starting again.
    """
    was_lost = False
    for number in range(TRIES):
        try:
            return attempt()
        except SqlflowError as error:
            passes = is_transient(error) or (was_lost and isinstance(error, TargetError))
            if number == TRIES - 1 or not passes or not before_next(error):
                raise
            was_lost = was_lost or is_lost(error)
        paused(number)
    raise AssertionError("the last try returns or raises")


def paused(number: int) -> None:
    """Wait before the next try, longer after each."""
    time.sleep(_FIRST_PAUSE_SECONDS * 2**number * random.uniform(0.8, 1.2))
