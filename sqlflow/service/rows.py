"""What is written into the history in a transaction of somebody's: new runs, their states, events and changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlflow.service import values
from sqlflow.service.database import Transaction
from sqlflow.service.nouns import Run
from sqlflow.service.states import ENDED, GOOD, RunStatus, before


def insert(transaction: Transaction, run: Run) -> None:
    """Put a new run into the history."""
    transaction.execute(
        "insert into runs (id, pipeline, status, cause, run_key, requested_at, requested_by, vars, due_at, attempt, tries,"
        " interruptions, reason, build, retry_of, cancel_by, service, takes)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, '', ?, '', '', '')",
        run.id, run.pipeline, run.status, run.cause, run.key, values.text(run.requested_at), run.by,
        values.as_json(run.vars), values.text(run.due_at), run.reason, run.retry_of,
    )  # fmt: skip
    tell(transaction, run.id, 0, f"run_{run.status}", {"cause": run.cause, "by": run.by, "key": run.key})


def tell(transaction: Transaction, run: str, attempt: int, kind: str, body: Mapping[str, Any]) -> None:
    """Put an event of a run into the history."""
    transaction.execute(
        "insert into events (run, attempt, at, kind, body) values (?, ?, ?, ?, ?)",
        run, attempt, values.text(values.now()), kind, values.as_json(body),
    )  # fmt: skip


def enter(transaction: Transaction, run: str, status: RunStatus, reason: str, at: datetime) -> bool:
    """Let a run come to a state, and tell of it; False, with nothing changed, if that cannot follow the state it is in."""
    froms = before(status)
    finished = values.text(at) if status in ENDED else None
    changed = transaction.execute(
        f"update runs set status = ?, reason = ?, finished_at = ? where id = ? and status in ({', '.join('?' * len(froms))})",
        status, reason, finished, run, *froms,
    )  # fmt: skip
    if not changed:
        return False
    ((pipeline, attempt),) = transaction.rows("select pipeline, attempt from runs where id = ?", run)
    tell(transaction, run, attempt, f"run_{status}", {"reason": reason})
    if status in ENDED:
        previous = transaction.rows(
            "select status from runs where pipeline = ? and id <> ? and finished_at is not null and status <> 'cancelled'"
            " order by finished_at desc limit 1",
            pipeline, run,
        )  # fmt: skip
        body: dict[str, Any] = {"status": status, "before": previous[0][0] if previous else ""}
        if status in GOOD and _was_late(transaction, pipeline, run):
            body["was_late"] = True
        change(transaction, "ended", pipeline, run, run, body, at)
    return True


def _was_late(transaction: Transaction, pipeline: str, run: str) -> bool:
    """Tell whether a pipeline was late, or its result too old, since the run before this one that has ended well."""
    good = ", ".join(f"'{one}'" for one in GOOD)
    return bool(
        transaction.rows(
            "select 1 from changes where pipeline = ? and kind in ('late', 'stale') and at > coalesce("
            f"(select finished_at from runs where pipeline = ? and id <> ? and status in ({good})"
            " order by finished_at desc limit 1), '') limit 1",
            pipeline, pipeline, run,
        )
    )  # fmt: skip


def change(
    transaction: Transaction, kind: str, pipeline: str, key: str, run: str, body: Mapping[str, Any], at: datetime
) -> bool:
    """Put something to be told into the history; False if it is there."""
    return transaction.execute(
        "insert into changes (at, kind, pipeline, change_key, run, body) values (?, ?, ?, ?, ?, ?) on conflict do nothing",
        values.text(at), kind, pipeline, key, run, values.as_json(body),
    ) == 1  # fmt: skip
