"""When pipelines are due: `(pipeline, what the history remembers, now)` to ticks. Pure; times are aware and in UTC.

A cron expression means the clock on the wall of its time zone. Where the hour is `*` or `*/n` it runs through a change of
the clock without a gap and without a pause, as `*/30 * * * *` does. An hour that is named is met once each day: a time that
a change leaves out is the first moment after it, and of a time that comes twice it is the first. `every` counts from
1970-01-01 00:00 UTC, so that it does not drift and every service agrees.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from msgspec import Struct

from sqlflow.core.pipeline import Pipeline
from sqlflow.service.nouns import Outcome, ScheduleState

ON_TIME = timedelta(seconds=60)
"""A tick that is decided later than this was missed."""
MISSED_AT_MOST = 1000
"""So many missed ticks have a record of their own; what was before them is told in the first one's."""
REMEMBERED = timedelta(days=31)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Due(Struct, frozen=True):
    """One time of a schedule that has come, and what shall become of it."""

    at: datetime
    outcome: Outcome
    reason: str = ""
    queues: bool = False
    """Part of catching up: it runs after the others of it, whatever `overlap` says."""


class Decision(Struct, frozen=True):
    """What is due, in order, and the time up to which this is now decided."""

    due: tuple[Due, ...]
    decided_to: datetime


def definition(pipeline: Pipeline) -> str:
    """Return what a schedule says as text; empty for a pipeline without one. Another text is another schedule."""
    if pipeline.schedule is not None:
        return f"{pipeline.schedule} {pipeline.timezone}"
    return f"every {pipeline.every}" if pipeline.every is not None else ""


def decided(pipeline: Pipeline, state: ScheduleState | None, now: datetime) -> Decision:
    """Return the ticks of a pipeline that nobody has decided about yet.

    A schedule begins when it is seen for the first time, and anew when it says something else: it has missed nothing before.
    """
    if state is None or state.decided_to is None or state.definition != definition(pipeline):
        return Decision((), now)
    if now <= state.decided_to:
        return Decision((), state.decided_to)
    came: deque[datetime] = deque(maxlen=MISSED_AT_MOST)
    forgotten = 0
    start = max(state.decided_to, now - REMEMBERED)
    for at in takewhile(lambda at: at <= now, times(pipeline, start)):
        forgotten += len(came) == MISSED_AT_MOST
        came.append(at)
    if state.is_paused:
        due = tuple(Due(at, "skipped", f"paused by {state.paused_by}") for at in came)
    else:
        due = tuple(_policy(pipeline, tuple(came), now))
    if due and (forgotten or start > state.decided_to):
        due = (_with_forgotten(due[0], forgotten, start > state.decided_to), *due[1:])
    return Decision(due, now)


def _policy(pipeline: Pipeline, came: tuple[datetime, ...], now: datetime) -> Iterator[Due]:
    """Yield what becomes of ticks by `missed`."""
    latest = came[-1] if came else None
    for at in came:
        if now - at <= ON_TIME:
            yield Due(at, "fired", queues=pipeline.missed == "all" and now - came[0] > ON_TIME)
        elif pipeline.missed == "none":
            yield Due(at, "skipped", "missed while no service was there, and `missed` is `none`", True)
        elif pipeline.missed == "latest" and at != latest:
            yield Due(at, "skipped", "missed while no service was there: a later one runs for it", True)
        else:
            yield Due(at, "fired", "missed while no service was there, and run late", True)


def _with_forgotten(first: Due, count: int, is_older: bool) -> Due:
    more = f"at least {count}" if is_older else str(count)
    before = f"{more} before it were missed, too" if count else "those before it were missed, too"
    return Due(first.at, first.outcome, f"{first.reason}; {before}".lstrip("; "), first.queues)


def times(pipeline: Pipeline, after: datetime) -> Iterator[datetime]:
    """Yield the times of a pipeline's schedule after a time, endless; none if it has no schedule."""
    if pipeline.every is not None:
        yield from _every(timedelta(seconds=pipeline.every), after)
    elif pipeline.schedule is not None:
        zone = ZoneInfo(pipeline.timezone)
        hour = pipeline.schedule.split()[1]
        found = _running(pipeline.schedule, zone, after) if hour[0] == "*" else _named(pipeline.schedule, zone, after)
        last = after
        for at in found:
            if at > last:
                yield at
                last = at


def next_time(pipeline: Pipeline, after: datetime) -> datetime | None:
    """Return the next time of a pipeline's schedule; None if it has none."""
    return next(times(pipeline, after), None)


def _every(step: timedelta, after: datetime) -> Iterator[datetime]:
    number = (after - _EPOCH) // step
    while True:
        number += 1
        yield _EPOCH + number * step


def _walk(expression: str, start: datetime) -> Iterator[datetime]:
    from croniter import CroniterBadDateError, croniter

    walk = croniter(expression, start)
    while True:
        try:
            yield walk.get_next(datetime)
        except CroniterBadDateError:  # no such day within 50 years
            return


def _running(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield times that follow what has passed, not what the clock on the wall shows."""
    for at in _walk(expression, after.astimezone(zone)):
        yield at.astimezone(UTC)


def _named(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield each time on the wall once."""
    begin = (after - timedelta(days=1)).astimezone(zone).replace(tzinfo=None)  # what a change leaves out may lie before
    for wall in _walk(expression, begin):
        yield moment(wall, zone)


def moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock on the wall first shows a time, or the first moment after it if a change leaves it out.

    >>> moment(datetime(2026, 3, 29, 2, 30), ZoneInfo("Europe/Berlin")).isoformat()
    '2026-03-29T01:00:00+00:00'
    >>> moment(datetime(2026, 10, 25, 2, 30), ZoneInfo("Europe/Berlin")).isoformat()
    '2026-10-25T00:30:00+00:00'
    """
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    low, high = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)
