"""Nouns of the history and of pipelines as plain data: what the API gives of them, and nothing else.

Times are texts in UTC such as `2026-01-31T05:00:00Z`, and None where there is none.
"""

from datetime import UTC, datetime
from typing import Any

from sqlflow.core.pipeline import Pipeline, Trigger
from sqlflow.service.nouns import AssertionRun, Attempt, BlockRun, DataAge, LogLine, Run, RunEvent, ScheduleState, Tick


def time(at: datetime | None) -> str | None:
    """Return a time as text.

    >>> time(datetime(2026, 1, 31, 5, tzinfo=UTC))
    '2026-01-31T05:00:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id, "pipeline": run.pipeline, "status": run.status, "cause": run.cause, "by": run.by,
        "vars": dict(run.vars), "requested_at": time(run.requested_at), "due_at": time(run.due_at),
        "started_at": time(run.started_at), "finished_at": time(run.finished_at), "seconds": run.seconds,
        "attempt": run.attempt, "reason": run.reason, "build": run.build, "retry_of": run.retry_of or None,
        "cancel_by": run.cancel_by or None,
    }  # fmt: skip


def attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number, "status": attempt.status, "started_at": time(attempt.started_at),
        "finished_at": time(attempt.finished_at), "exit_code": attempt.exit_code, "reason": attempt.reason,
    }  # fmt: skip


def block(block: BlockRun) -> dict[str, Any]:
    return {
        "block": block.block, "attempt": block.attempt, "status": block.status, "started_at": time(block.started_at),
        "seconds": block.seconds, "rows": block.rows, "message": block.message,
    }  # fmt: skip


def assertion(found: AssertionRun) -> dict[str, Any]:
    return {
        "block": found.block, "assertion": found.assertion, "attempt": found.attempt, "status": found.status,
        "failing": found.failing, "seconds": found.seconds, "error": found.error,
        "sample": {"columns": list(found.columns), "rows": [[_cell(value) for value in row] for row in found.sample]},
    }  # fmt: skip


def _cell(value: Any) -> str | None:
    return None if value is None else str(value)


def line(line: LogLine) -> dict[str, Any]:
    return {"id": line.id, "attempt": line.attempt, "block": line.block, "at": time(line.at), "line": line.line}


def event(event: RunEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "attempt": event.attempt,
        "at": time(event.at),
        "kind": event.kind,
        "body": dict(event.body),
    }


def tick(tick: Tick) -> dict[str, Any]:
    return {
        "pipeline": tick.pipeline, "key": tick.key, "cause": tick.cause, "due_at": time(tick.due_at),
        "recorded_at": time(tick.recorded_at), "outcome": tick.outcome, "reason": tick.reason, "run": tick.run or None,
    }  # fmt: skip


def age(found: DataAge, now: datetime) -> dict[str, Any]:
    return {
        "name": found.name, "kind": found.kind, "target": found.target, "environment": found.environment or None,
        "status": found.status(now), "newest": time(found.newest), "seconds": found.seconds(now), "within": found.within,
        "reason": found.reason, "pipelines": list(found.pipelines),
    }  # fmt: skip


def pipeline(
    pipeline: Pipeline, state: ScheduleState | None, latest: Run | None, next_tick: datetime | None
) -> dict[str, Any]:
    return {
        "name": pipeline.name, "description": pipeline.description, "file": pipeline.path,
        "select": list(pipeline.select), "environment": pipeline.environment, "target": pipeline.target,
        "vars": sorted(pipeline.vars), "schedule": pipeline.schedule, "every": pipeline.every,
        "timezone": pipeline.timezone, "triggers": [kind(trigger) for trigger in pipeline.triggers],
        "overlap": pipeline.overlap, "missed": pipeline.missed,
        "paused_at": time(state.paused_at) if state else None, "paused_by": (state and state.paused_by) or None,
        "next": time(next_tick), "latest_run": run(latest) if latest else None,
    }  # fmt: skip


def kind(trigger: Trigger) -> str:
    """Return what kind of trigger it is, as its key in the file says: `after`, `files`, `query` or `webhook`."""
    return type(trigger).__name__.lower()
