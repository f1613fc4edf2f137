"""Rows of the history as nouns, and back. Times are texts such as `2026-01-31T05:00:00.000000Z`, which sort as they follow."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlflow.core.errors import StateError
from sqlflow.service.database import FILE_AWAY
from sqlflow.service.nouns import AssertionRun, Attempt, BlockRun, Change, LogLine, Run, RunEvent, ScheduleState, Tick

RUN = (
    "id, pipeline, status, cause, requested_at, run_key, requested_by, vars, due_at, started_at, finished_at, attempt,"
    " reason, build, retry_of, cancel_by"
)
ATTEMPT = "run, number, status, service, host, pid, started_at, heartbeat, finished_at, exit_code, build, reason"
BLOCK = "run, attempt, block, status, started_at, seconds, row_count, message"
ASSERTION = "run, attempt, block, assertion, status, failing, seconds, error, sample"
LOG = "id, run, attempt, block, at, line"
EVENT = "id, run, attempt, at, kind, body"
TICK = "pipeline, tick_key, cause, due_at, recorded_at, outcome, reason, run"
SCHEDULE = "pipeline, since, paused_at, paused_by, decided_to, definition"
CHANGE = "id, at, kind, pipeline, run, body"
_SHOWN = 60


def now() -> datetime:
    return datetime.now(UTC)


def text(at: datetime | None) -> str | None:
    """Return a time as the history keeps it.

    >>> text(datetime(2026, 1, 31, 5, tzinfo=UTC))
    '2026-01-31T05:00:00.000000Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else None


def time(kept: str | None) -> datetime | None:
    return at(kept) if kept else None


def at(kept: str) -> datetime:
    """Return a time that the history has kept. Raise StateError for a text that is none."""
    try:
        return datetime.fromisoformat(kept)
    except (ValueError, TypeError) as error:
        raise _damaged("a time", kept) from error


def as_json(value: Mapping[str, Any] | list[Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def from_json(kept: str) -> Any:
    """Return what `as_json` has made a text of. Raise StateError for another text."""
    try:
        return json.loads(kept)
    except (ValueError, TypeError) as error:
        raise _damaged("an object", kept) from error


def _damaged(what: str, kept: object) -> StateError:
    text = repr(kept)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return StateError(f"the run history is damaged: {shown} is not {what}", hint=FILE_AWAY)


def run(row: tuple[Any, ...]) -> Run:
    id, pipeline, status, cause, requested, key, by, vars, due, started, finished, *others = row
    return Run(
        id, pipeline, status, cause, at(requested), key, by, from_json(vars), time(due), time(started), time(finished),
        *others,
    )  # fmt: skip


def attempt(row: tuple[Any, ...]) -> Attempt:
    run, number, status, service, host, pid, started, beat, finished, *others = row
    return Attempt(run, number, status, service, host, pid, at(started), at(beat), time(finished), *others)


def block_run(row: tuple[Any, ...]) -> BlockRun:
    run, attempt, block, status, started, *others = row
    return BlockRun(run, attempt, block, status, time(started), *others)


def assertion_run(row: tuple[Any, ...]) -> AssertionRun:
    run, attempt, block, assertion, status, failing, seconds, error, sample = row
    kept = from_json(sample) if sample else {}
    columns, rows = tuple(kept.get("columns", ())), tuple(tuple(one) for one in kept.get("rows", ()))
    return AssertionRun(run, attempt, block, assertion, status, failing, seconds, error, columns, rows)


def log_line(row: tuple[Any, ...]) -> LogLine:
    id, run, attempt, block, when, line = row
    return LogLine(id, run, attempt, block, at(when), line)


def run_event(row: tuple[Any, ...]) -> RunEvent:
    id, run, attempt, when, kind, body = row
    return RunEvent(id, run, attempt, at(when), kind, from_json(body))


def tick(row: tuple[Any, ...]) -> Tick:
    pipeline, key, cause, due, recorded, outcome, reason, run = row
    return Tick(pipeline, key, cause, at(due), at(recorded), outcome, reason, run)


def schedule(row: tuple[Any, ...]) -> ScheduleState:
    pipeline, since, paused, by, decided, definition = row
    return ScheduleState(pipeline, time(since), time(paused), by, time(decided), definition)


def change(row: tuple[Any, ...]) -> Change:
    id, when, kind, pipeline, run, body = row
    return Change(id, at(when), kind, pipeline, run, from_json(body))
