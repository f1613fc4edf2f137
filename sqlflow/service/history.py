"""The history of runs: what people and programs read of it, and ask of it.

Reading never waits for a service. Whoever asks for a run, or for a run's end, writes that into the history; the service
that looks after the project does it within seconds. What the service itself writes is in `queue`, `recording` and `ticks`.
"""

import getpass
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlflow.core.errors import UsageError
from sqlflow.service import database, values
from sqlflow.service.ids import ULID, new_id
from sqlflow.service.migrations import migrate
from sqlflow.service.nouns import (
    AssertionRun,
    Attempt,
    BlockRun,
    Cause,
    Change,
    LogLine,
    Run,
    RunEvent,
    RunFilter,
    ScheduleState,
    Tick,
)
from sqlflow.service.processes import is_alive, is_here
from sqlflow.service.rows import enter, insert
from sqlflow.service.states import RunStatus

FILE = Path(".sqlflow") / "history.db"
PAGE = 50
QUEUED_AT_MOST = 1000
"""More runs of a pipeline than this wait for no place: ticks are recorded as skipped then, and people are refused."""


class History:
    """A history that is open. Every method may be called from any thread."""

    def __init__(self, database: database.Database) -> None:
        self.database = database

    @classmethod
    def open(cls, root: Path, url: str = "") -> "History":
        """Return the history of the project in a folder: its file, or the Postgres of a URL; it is made where there is none.

        Raise TargetError if it cannot be reached, and StateError if it is of a newer sqlflow.
        """
        opened = cls(database.postgres(url) if url else database.sqlite(root / FILE))
        migrate(opened.database)
        return opened

    def close(self) -> None:
        self.database.close()

    # Reading

    def runs(self, wanted: RunFilter | None = None, *, before: str = "", limit: int = PAGE) -> list[Run]:
        """Return runs, the latest first; the next page is those `before` the last one's id."""
        wanted = wanted or RunFilter()
        conditions, given = _conditions(wanted, before)
        rows = self.database.rows(
            f"select {values.RUN} from runs {conditions} order by id desc limit {int(limit)}", *given
        )
        return [values.run(row) for row in rows]

    def run(self, id: str) -> Run:
        """Return a run by its id. Raise UsageError if there is none."""
        wanted = id.upper()
        rows = (
            self.database.rows(f"select {values.RUN} from runs where id = ?", wanted) if ULID.fullmatch(wanted) else []
        )
        if not rows:
            raise UsageError(f"there is no run `{id}`", hint="`sqlflow runs` lists the runs")
        return values.run(rows[0])

    def latest(self) -> dict[str, Run]:
        """Return the latest run of each pipeline that has one."""
        rows = self.database.rows(
            f"select {values.RUN} from runs where id in (select max(id) from runs group by pipeline) order by pipeline"
        )
        return {run.pipeline: run for run in map(values.run, rows)}

    def counts(self) -> dict[tuple[str, RunStatus], int]:
        """Return how many runs of each pipeline are in each state."""
        rows = self.database.rows("select pipeline, status, count(*) from runs group by pipeline, status")
        return {(pipeline, status): count for pipeline, status, count in rows}

    def attempts(self, run: str) -> list[Attempt]:
        """Return the attempts of a run, the first first."""
        rows = self.database.rows(f"select {values.ATTEMPT} from attempts where run = ? order by number", run)
        return [values.attempt(row) for row in rows]

    def blocks(self, run: str, attempt: int | None = None) -> list[BlockRun]:
        """Return the blocks of an attempt, the latest if none is said, in the order in which they began."""
        rows = self.database.rows(
            f"select {values.BLOCK} from block_runs where run = ? and attempt = {_ATTEMPT.format(table='block_runs')}"
            " order by started_at, block",
            run, attempt, run,
        )  # fmt: skip
        return [values.block_run(row) for row in rows]

    def assertions(self, run: str, attempt: int | None = None) -> list[AssertionRun]:
        """Return the assertions of an attempt, the latest if none is said: those that did not hold first."""
        rows = self.database.rows(
            f"select {values.ASSERTION} from assertion_results where run = ?"
            f" and attempt = {_ATTEMPT.format(table='assertion_results')}"
            " order by case status when 'failed' then 0 when 'warned' then 1 else 2 end, block, assertion",
            run, attempt, run,
        )  # fmt: skip
        return [values.assertion_run(row) for row in rows]

    def logs(self, run: str, *, block: str = "", after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return what a run, or one block of it, has printed after a line's id, in order; 0 is from the first."""
        rows = self.database.rows(
            f"select {values.LOG} from logs where run = ? and id > ? and (? = '' or block = ?) order by id"
            f" limit {int(limit)}",
            run, after, block, block,
        )  # fmt: skip
        return [values.log_line(row) for row in rows]

    def events(self, run: str, *, after: int = 0, limit: int = 1000) -> list[RunEvent]:
        """Return what happened in a run, and to it, after an event's id, in order; 0 is from the first."""
        rows = self.database.rows(
            f"select {values.EVENT} from events where run = ? and id > ? order by id limit {int(limit)}", run, after
        )
        return [values.run_event(row) for row in rows]

    def ticks(self, pipeline: str = "", *, before: Tick | None = None, limit: int = PAGE) -> list[Tick]:
        """Return ticks of a pipeline, or of all, the latest first; the next page is those `before` the last one."""
        conditions: list[str] = ["1 = 1"]
        given: list[Any] = []
        if pipeline:
            conditions.append("pipeline = ?")
            given.append(pipeline)
        if before:
            conditions.append("(due_at, pipeline, tick_key) < (?, ?, ?)")
            given += [values.text(before.due_at), before.pipeline, before.key]
        rows = self.database.rows(
            f"select {values.TICK} from ticks where {' and '.join(conditions)}"
            f" order by due_at desc, pipeline desc, tick_key desc limit {int(limit)}",
            *given,
        )
        return [values.tick(row) for row in rows]

    def schedules(self) -> dict[str, ScheduleState]:
        """Return what is remembered of the schedules, by pipeline. A pipeline that was never seen by a service has none."""
        rows = self.database.rows(f"select {values.SCHEDULE} from schedules order by pipeline")
        return {state.pipeline: state for state in map(values.schedule, rows)}

    def changes(self, limit: int = PAGE) -> list[Change]:
        """Return what nobody has been told yet, the oldest first."""
        rows = self.database.rows(
            f"select {values.CHANGE} from changes where told_at is null order by id limit {int(limit)}"
        )
        return [values.change(row) for row in rows]

    def is_served(self) -> bool:
        """Tell whether a service looks after this history: one whose process is there, or that was heard a minute ago."""
        recently = values.text(values.now() - timedelta(minutes=1))
        rows = self.database.rows("select pid, process, heartbeat from services")
        return any(
            is_alive(pid, process) if is_here(process) else heartbeat >= recently for pid, process, heartbeat in rows
        )

    # Asking

    def request_run(
        self, pipeline: str, *, by: str = "", vars: Mapping[str, Any] | None = None, cause: Cause = "manual", retry_of: str = "",
        only: bool = False,
    ) -> Run:  # fmt: skip
        """Ask for a run of a pipeline, and return it as it stands in the queue. Whether there is such a pipeline is not asked.

        Raise UsageError if it shall be the `only` one, and a run of the pipeline has not ended, or if too many have not.
        """
        made = Run(
            new_id(),
            pipeline,
            "queued",
            cause,
            values.now(),
            by=by or somebody(),
            vars=dict(vars or {}),
            retry_of=retry_of,
        )
        with self.database.transaction(deciding=True) as transaction:
            _refuse_more(transaction, pipeline, 1 if only else QUEUED_AT_MOST)
            insert(transaction, made)
        return made

    def request_cancel(self, id: str, *, by: str = "") -> Run:
        """Ask for the end of a run, and return it: one that has not begun is cancelled at once.

        Raise UsageError if it has ended.
        """
        who, at = by or somebody(), values.text(values.now())
        run = self.run(id)
        with self.database.transaction(deciding=True) as transaction:
            ((status,),) = transaction.rows("select status from runs where id = ?", run.id)
            gone = status in ("queued", "waiting") and enter(
                transaction, run.id, "cancelled", f"cancelled by {who}", values.now()
            )
            if gone:
                transaction.execute("update runs set cancel_by = ?, cancel_at = ? where id = ?", who, at, run.id)
            asked = gone or transaction.execute(
                "update runs set cancel_by = ?, cancel_at = ? where id = ? and status = 'running' and cancel_at is null",
                who, at, run.id,
            )  # fmt: skip
        now = self.run(id)
        if not asked and now.has_ended:
            raise UsageError(
                f"the run {now.id} has ended: it {_ended(now)}", hint="a run that has ended cannot be cancelled"
            )
        return now

    def request_retry(self, id: str, *, by: str = "", only: bool = False) -> Run:
        """Ask for a new run of what has failed in a run that has ended. What was built is used again.

        Raise UsageError if it has not ended, or has ended well; for `only` as `request_run` does.
        """
        run = self.run(id)
        if not run.has_ended:
            raise UsageError(f"the run {run.id} is {run.status}", hint=f"`sqlflow cancel {run.id}` ends it")
        if run.status in ("succeeded", "warned"):
            raise UsageError(
                f"the run {run.id} {_ended(run)}: nothing of it has failed",
                hint=f"`sqlflow schedule run {run.pipeline}` runs the pipeline again",
            )
        return self.request_run(run.pipeline, by=by, vars=run.vars, cause="retry", retry_of=run.id, only=only)

    def pause(self, pipeline: str, *, by: str = "") -> None:
        """Let a pipeline's schedule and triggers rest. Its ticks are recorded as skipped; who asks for a run gets it."""
        with self.database.transaction(deciding=True) as transaction:
            transaction.execute(
                "insert into schedules (pipeline, paused_at, paused_by, definition) values (?, ?, ?, '')"
                " on conflict (pipeline) do update set paused_at = excluded.paused_at, paused_by = excluded.paused_by",
                pipeline, values.text(values.now()), by or somebody(),
            )  # fmt: skip

    def resume(self, pipeline: str) -> None:
        """Let a pipeline's schedule go on with its next tick."""
        with self.database.transaction(deciding=True) as transaction:
            transaction.execute("update schedules set paused_at = null, paused_by = '' where pipeline = ?", pipeline)


def _refuse_more(transaction: database.Transaction, pipeline: str, at_most: int) -> None:
    """Raise UsageError if so many runs of a pipeline have not ended."""
    rows = transaction.rows(
        "select id, status from runs where pipeline = ? and finished_at is null order by id limit ?", pipeline, at_most
    )
    if len(rows) < at_most:
        return
    id, status = rows[0]
    message = f"the run {id} of `{pipeline}` is already {status}"
    if at_most > 1:
        message = f"{at_most} runs of `{pipeline}` are in the queue already: the first is {id}, which is {status}"
    raise UsageError(message, hint=f"`sqlflow cancel {id}` ends it, or wait for its end")


_ATTEMPT = "coalesce(?, (select max(attempt) from {table} where run = ?))"


def _conditions(wanted: RunFilter, before: str) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    given: list[Any] = []
    for column, chosen in (("pipeline", wanted.pipelines), ("status", wanted.statuses), ("cause", wanted.causes)):
        if chosen:
            conditions.append(f"{column} in ({', '.join('?' * len(chosen))})")
            given += chosen
    for comparison, limit in (
        ("id < ?", before.upper()),
        ("id >= ?", _first_id(wanted.since)),
        ("id < ?", _first_id(wanted.until)),
    ):
        if limit:
            conditions.append(comparison)
            given.append(limit)
    return ("where " + " and ".join(conditions) if conditions else ""), given


def _first_id(at: datetime | None) -> str:
    """Return the least id that a run of this time or later can have."""
    return new_id(at.timestamp())[:10] if at else ""


def _ended(run: Run) -> str:
    return run.status if run.status in ("succeeded", "failed") else f"was {run.status}"


def somebody() -> str:
    """Return who runs this process, as `ann@host`."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"
    return f"{name}@{socket.gethostname()}"
