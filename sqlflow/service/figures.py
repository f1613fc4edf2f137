"""Figures of the history that are watched: each is one query that an index answers."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from sqlflow.service import values
from sqlflow.service.history import History
from sqlflow.service.nouns import Outcome, Run
from sqlflow.service.states import GOOD, RunStatus

_GOOD = ", ".join(f"'{status}'" for status in GOOD)


class Queue(Struct, frozen=True):
    """What has not ended: how many runs are in each state, and since when the longest-waiting one has been due."""

    runs: dict[RunStatus, int]
    oldest: datetime | None


def latest(history: History, pipelines: Sequence[str]) -> dict[str, Run]:
    """Return the latest run of each of some pipelines that has one."""
    if not pipelines:
        return {}
    places = ", ".join("?" * len(pipelines))
    rows = history.database.rows(
        f"select {values.RUN} from runs where id in"
        f" (select max(id) from runs where pipeline in ({places}) group by pipeline)",
        *pipelines,
    )
    return {run.pipeline: run for run in map(values.run, rows)}


def last_good(history: History) -> dict[str, datetime]:
    """Return when the latest run of each pipeline that ended well has ended."""
    rows = history.database.rows(
        "select pipeline, finished_at from runs where finished_at is not null and id in"
        f" (select max(id) from runs where status || '' in ({_GOOD}) group by pipeline)"  # by pipeline, not by status
    )
    return {pipeline: values.at(finished) for pipeline, finished in rows}


def ticks(history: History) -> dict[tuple[str, Outcome], int]:
    """Return how many ticks of each pipeline had which outcome."""
    rows = history.database.rows("select pipeline, outcome, count(*) from ticks group by pipeline, outcome")
    return {(pipeline, outcome): count for pipeline, outcome, count in rows}


def queue(history: History) -> Queue:
    """Return what waits and runs."""
    active = history.database.rows("select status from runs where finished_at is null order by id")
    (oldest,) = history.database.rows(
        "select min(coalesce(due_at, requested_at)) from runs where finished_at is null and status in ('queued', 'waiting')"
    )
    return Queue(dict(Counter(status for (status,) in active)), values.time(oldest[0]))


def tick_lag(history: History) -> float:
    """Return by how many seconds the latest tick was decided after the time meant; 0 where there is none."""
    rows = history.database.rows("select due_at, recorded_at from ticks order by recorded_at desc limit 1")
    return max(0.0, (values.at(rows[0][1]) - values.at(rows[0][0])).total_seconds()) if rows else 0.0
