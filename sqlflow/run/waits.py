"""Looks whether what a block or a run waits for has come."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from sqlflow.core import events
from sqlflow.core.block import Project
from sqlflow.core.errors import BuildError
from sqlflow.core.events import Listener
from sqlflow.core.flow import Wait, written
from sqlflow.core.text import MappedText
from sqlflow.run.conditions import truth
from sqlflow.run.target import is_there, opened

IsTrue = Callable[[Wait, MappedText], bool]
"""Asks the query of a wait."""


def pending(waits: Iterable[Wait], root: Path, is_true: IsTrue) -> Wait | None:
    """Return the first of what has not come yet."""
    return next((wait for wait in waits if not has_come(wait, root, is_true)), None)


def has_come(wait: Wait, root: Path, is_true: IsTrue) -> bool:
    """Tell whether what is waited for is there now."""
    match wait.kind:
        case "file":
            return any(True for _ in root.glob(wait.path))
        case "time":
            return seconds_until(wait) <= 0
    assert wait.query is not None
    return is_true(wait, wait.query.text)


def seconds_until(wait: Wait, now: datetime | None = None, since: datetime | None = None) -> float:
    """Return how long it is until the time of a wait, of today or of the day `since` then; not more than 0 if that has come."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(wait.timezone)
    here = (now or datetime.now(zone)).astimezone(zone)
    day = (since or here).astimezone(zone).date()
    return datetime.combine(day, wait.at, zone).timestamp() - here.timestamp()


def late(wait: Wait) -> str:
    """Return what is said of a wait that was waited for too long."""
    return f"timeout: waited for {wait.what} longer than {written(wait.timeout)}"


def pause(wait: Wait, waited: float) -> float:
    """Return when to look again, after having waited for so many seconds. Raise BuildError if that was long enough."""
    left = wait.timeout - waited
    if left <= 0:
        raise BuildError(late(wait), wait.place)
    until = seconds_until(wait) if wait.kind == "time" else wait.every
    return min(max(until, 0.0), wait.every, left)


def is_true(project: Project, wait: Wait) -> bool:
    """Ask the query of a wait over published tables, in the project's target, which is opened for it, to read."""
    if wait.query is None or not is_there(project):
        return False
    with opened(project, readonly=True) as (_, session):
        return truth(wait.query.text.text, session.rows, wait.place, "wait_for")


def wait_before(project: Project, waits: Iterable[Wait], tell: Listener) -> None:
    """Return when all has come that must come before a run begins. Raise BuildError if it takes too long.

    Nothing is held meanwhile.
    """
    since = time.monotonic()
    told: set[Wait] = set()
    while (wait := pending(waits, project.root, lambda wait, _: is_true(project, wait))) is not None:
        seconds = pause(wait, time.monotonic() - since)
        if wait not in told:
            told.add(wait)
            tell(events.RunWaiting(wait.what, wait.timeout))
        time.sleep(seconds)
