"""What is not as it should be although nothing has failed: runs that are late, results that are too old."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.database import Transaction
from sqlflow.service.history import History
from sqlflow.service.rows import change
from sqlflow.service.schedule import moment, times
from sqlflow.service.states import GOOD

_GOOD = ", ".join(f"'{status}'" for status in GOOD)


def watch(history: History, pipeline: Pipeline, since: datetime, now: datetime) -> None:
    """Put into the history, once, that a pipeline known `since` a time is late today, or that its result is too old."""
    if pipeline.deadline is None and pipeline.fresh_within is None:
        return
    with history.database.transaction() as transaction:
        day = late_day(pipeline, since, now)
        if day is not None:
            begin, end = day
            if not _ended_well(transaction, pipeline.name, begin, end):
                late = {"deadline": values.text(end)}
                change(transaction, "late", pipeline.name, begin.date().isoformat(), "", late, now)
        if pipeline.fresh_within is not None:
            latest = max(since, _latest_good(transaction, pipeline.name) or since)
            if now - latest > timedelta(seconds=pipeline.fresh_within):
                body = {"since": values.text(latest), "fresh_within": pipeline.fresh_within}
                change(transaction, "stale", pipeline.name, values.text(latest) or "", "", body, now)


def late_day(pipeline: Pipeline, since: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """Return today's first moment and the deadline, if that has passed and a run was to be expected; else None."""
    if pipeline.deadline is None:
        return None
    zone = ZoneInfo(pipeline.timezone)
    today = now.astimezone(zone).date()
    begin, end = (moment(datetime.combine(today, at), zone) for at in (time(), pipeline.deadline))
    if now < end or since > begin:
        return None
    is_scheduled = pipeline.schedule is not None or pipeline.every is not None
    expected = next(times(pipeline, begin - timedelta(seconds=1)), end) < end if is_scheduled else True
    return (begin.astimezone(zone), end) if expected else None


def _ended_well(transaction: Transaction, pipeline: str, begin: datetime, end: datetime) -> bool:
    found = transaction.rows(
        f"select 1 from runs where pipeline = ? and status in ({_GOOD}) and finished_at between ? and ? limit 1",
        pipeline, values.text(begin), values.text(end),
    )  # fmt: skip
    return bool(found)


def _latest_good(transaction: Transaction, pipeline: str) -> datetime | None:
    rows = transaction.rows(
        f"select finished_at from runs where pipeline = ? and status in ({_GOOD}) order by finished_at desc limit 1",
        pipeline,
    )
    return values.time(rows[0][0]) if rows else None
