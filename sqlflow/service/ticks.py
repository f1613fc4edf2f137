"""Ticks and triggers become runs, each once: whoever comes second, also another service, finds the record of the first.

All of a decision is one transaction in which nobody else decides.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.database import Transaction
from sqlflow.service.history import QUEUED_AT_MOST, History
from sqlflow.service.ids import new_id
from sqlflow.service.nouns import Cause, Outcome, Run, ScheduleState, Tick
from sqlflow.service.rows import enter, insert
from sqlflow.service.schedule import decided, definition


class AskedRun(Struct, frozen=True):
    """A run that is asked for: by a time of the schedule or a trigger, with a key that it alone has."""

    cause: Cause
    key: str
    due_at: datetime
    reason: str = ""
    vars: Mapping[str, Any] = field(default_factory=dict)
    by: str = "service"
    outcome: Outcome = "fired"


def tick_key(at: datetime) -> str:
    """Return the key of a time of a schedule."""
    return f"schedule:{values.text(at)}"


def decide(history: History, pipeline: Pipeline, now: datetime) -> list[Tick]:
    """Decide about what is due of a pipeline's schedule, and return the records that this has made."""
    with history.database.transaction(deciding=True) as transaction:
        state = _state(transaction, pipeline.name)
        decision = decided(pipeline, state, now)
        _remember(transaction, pipeline, state, decision.decided_to)
        active = _active(transaction, pipeline.name)
        ticks: list[Tick] = []
        for due in decision.due:
            asked = AskedRun("schedule", tick_key(due.at), due.at, due.reason, outcome=due.outcome)
            # What is caught up on queues up: the first one must not be in the way of the others.
            on = active if due.queues else _active(transaction, pipeline.name)
            tick = _fired(transaction, pipeline, asked, on, now)
            ticks += [tick] if tick else []
        return ticks


def triggered(history: History, pipeline: Pipeline, asked: AskedRun, now: datetime) -> Tick | None:
    """Decide about a trigger, and return its record; None if it has one already."""
    with history.database.transaction(deciding=True) as transaction:
        return fired(transaction, pipeline, asked, now)


def fired(transaction: Transaction, pipeline: Pipeline, asked: AskedRun, now: datetime) -> Tick | None:
    """Let a trigger fire in somebody's transaction: its pipeline may rest, or a run may be on."""
    state = _state(transaction, pipeline.name)
    if state is not None and state.is_paused and asked.outcome == "fired":
        asked = _skipped(asked, f"paused by {state.paused_by}")
    return _fired(transaction, pipeline, asked, _active(transaction, pipeline.name), now)


def _fired(
    transaction: Transaction, pipeline: Pipeline, asked: AskedRun, active: list[tuple[str, str]], now: datetime
) -> Tick | None:
    known = transaction.rows("select 1 from ticks where pipeline = ? and tick_key = ?", pipeline.name, asked.key)
    if known:
        return None
    if asked.outcome == "fired" and active:
        asked = _by_overlap(transaction, pipeline, asked, active, now)
    run = ""
    if asked.outcome == "fired":
        run = new_id()
        asked = _waiting(asked, pipeline)
        insert(
            transaction,
            Run(run, pipeline.name, "queued", asked.cause, now, asked.key, asked.by, asked.vars, asked.due_at),
        )
    tick = Tick(pipeline.name, asked.key, asked.cause, asked.due_at, now, asked.outcome, asked.reason, run)
    transaction.execute(
        f"insert into ticks ({values.TICK}) values (?, ?, ?, ?, ?, ?, ?, ?)",
        tick.pipeline, tick.key, tick.cause, values.text(tick.due_at), values.text(now), tick.outcome, tick.reason, run,
    )  # fmt: skip
    return tick


def _waiting(asked: AskedRun, pipeline: Pipeline) -> AskedRun:
    """Return what asks for a run with what that waits for among its reasons."""
    if not pipeline.waits:
        return asked
    return _because(asked, "the run waits for " + ", ".join(wait.what for wait in pipeline.waits))


def _by_overlap(
    transaction: Transaction, pipeline: Pipeline, asked: AskedRun, active: list[tuple[str, str]], now: datetime
) -> AskedRun:
    id, status = active[0]
    if pipeline.overlap == "skip":
        return _skipped(asked, f"the run {id} is still {status}")
    if pipeline.overlap == "queue" and len(active) >= QUEUED_AT_MOST:
        return _skipped(asked, f"{len(active)} runs are in the queue already")
    if pipeline.overlap == "cancel":
        reason = "cancelled for a newer run"
        for id, status in active:
            if status == "running":
                transaction.execute(
                    "update runs set cancel_by = ?, cancel_at = ? where id = ? and cancel_at is null",
                    "the next tick", values.text(now), id,
                )  # fmt: skip
            else:
                enter(transaction, id, "cancelled", reason, now)
    return asked


def _skipped(asked: AskedRun, why: str) -> AskedRun:
    return replace(_because(asked, why), outcome="skipped")


def _because(asked: AskedRun, why: str) -> AskedRun:
    return replace(asked, reason=f"{asked.reason}; {why}" if asked.reason else why)


def _active(transaction: Transaction, pipeline: str) -> list[tuple[str, str]]:
    return [
        (id, status)
        for id, status in transaction.rows(
            "select id, status from runs where pipeline = ? and finished_at is null order by id", pipeline
        )
    ]


def _state(transaction: Transaction, pipeline: str) -> ScheduleState | None:
    rows = transaction.rows(f"select {values.SCHEDULE} from schedules where pipeline = ?", pipeline)
    return values.schedule(rows[0]) if rows else None


def _remember(transaction: Transaction, pipeline: Pipeline, state: ScheduleState | None, decided_to: datetime) -> None:
    says, to = definition(pipeline), values.text(decided_to)
    if state is None or state.since is None or state.definition != says:
        transaction.execute(
            "insert into schedules (pipeline, since, paused_by, decided_to, definition) values (?, ?, '', ?, ?)"
            " on conflict (pipeline) do update"
            " set since = excluded.since, decided_to = excluded.decided_to, definition = excluded.definition",
            pipeline.name, to, to, says,
        )  # fmt: skip
    elif state.decided_to != decided_to:
        transaction.execute("update schedules set decided_to = ? where pipeline = ?", to, pipeline.name)


def forget_others(history: History, known: Callable[[str], bool]) -> None:
    """Forget when pipelines were looked at that are not there any more: one that comes back has missed nothing."""
    with history.database.transaction(deciding=True) as transaction:
        for (name,) in transaction.rows("select pipeline from schedules where since is not null"):
            if not known(name):
                transaction.execute("update schedules set since = null, decided_to = null where pipeline = ?", name)
                transaction.execute("delete from trigger_states where pipeline = ?", name)
