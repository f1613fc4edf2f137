"""What a run's process tells, line by line, into the history.

Whatever comes in one go is one transaction. An attempt that was ended by somebody else records nothing any more.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlflow.core.secrets import CUT
from sqlflow.core.words import that_break
from sqlflow.service import values
from sqlflow.service.database import Transaction
from sqlflow.service.history import History
from sqlflow.service.queue import Share
from sqlflow.service.rows import tell

TEXT_CHARACTERS = 8192
LOG_LINES_AT_MOST = 100_000
"""Of one attempt. What its functions print is bounded block by block before it comes here."""
_UPSERT = (
    "insert into block_runs (run, attempt, block, status, started_at, seconds, row_count, message)"
    " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (run, attempt, block) do update set"
    " status = excluded.status, seconds = excluded.seconds, row_count = excluded.row_count, message = excluded.message"
)


@dataclass
class Recording:
    """The record of one attempt. `status` is what its process has said of itself in the end, `errors` what it wrote last."""

    history: History
    run: str
    attempt: int
    status: str = ""
    reason: str = ""
    lines: int = 0
    errors: list[str] = field(default_factory=list)

    def began(self, pid: int, process: str) -> bool:
        """Remember the process, so that another service can find it; False if the attempt is not ours any more."""
        with self.history.database.transaction() as transaction:
            return transaction.execute(
                "update attempts set pid = ?, process = ? where run = ? and number = ? and finished_at is null",
                pid, process, self.run, self.attempt,
            ) == 1  # fmt: skip

    def write(self, told: Iterable[str], printed: Iterable[str] = ()) -> bool:
        """Record events, given as JSON, and lines of the process's own; False if the attempt is not ours any more."""
        with self.history.database.transaction() as transaction:
            if not transaction.execute(
                "update attempts set build = build where run = ? and number = ? and finished_at is null",
                self.run, self.attempt,
            ):  # fmt: skip
                return False
            for line in told:
                event = _event(line)
                if event is None:
                    self._log(transaction, "", line)
                else:
                    self._record(transaction, event)
            for line in printed:
                self.errors = [*self.errors[-49:], _cut(line)]
                self._log(transaction, "", line)
            return True

    def _record(self, transaction: Transaction, event: Mapping[str, Any]) -> None:
        if event["event"] == "block_printed":
            self._log(transaction, event["block"], event["line"])
            return
        self._of_run(transaction, event)
        self._of_block(transaction, event)
        body = {key: value for key, value in event.items() if key not in ("event", "run", "sample", "columns")}
        tell(transaction, self.run, self.attempt, event["event"], body)

    def _of_run(self, transaction: Transaction, event: Mapping[str, Any]) -> None:
        match event:
            case {"event": "waiting", "message": message}:
                transaction.execute("update runs set reason = ? where id = ?", message, self.run)
            case {"event": "run_started", "run": build}:
                here = (self.run, self.attempt)
                transaction.execute("update attempts set build = ? where run = ? and number = ?", build, *here)
                transaction.execute("update runs set build = ?, reason = '' where id = ? and attempt = ?", build, *here)
                if isinstance(pools := event.get("pools"), dict):
                    self._give_back(transaction, pools)
            case {"event": "run_finished", "status": status}:
                self.status = status

    def _of_block(self, transaction: Transaction, event: Mapping[str, Any]) -> None:
        match event:
            case {"event": "block_started", "block": block}:
                self._block(transaction, block, "running")
            case {"event": "block_built", "block": block, "rows": rows, "seconds": seconds}:
                self._block(transaction, block, "built", seconds, rows)
            case {"event": "block_reused", "block": block}:
                self._block(transaction, block, "reused")
            case {"event": "block_failed", "block": block, "error": error, "seconds": seconds}:
                self.reason = self.reason or f"{block}: {error}".splitlines()[0]
                self._block(transaction, block, "failed", seconds, None, error)
            case {"event": "block_skipped", "block": block, "reason": reason}:
                self._block(transaction, block, "skipped", None, None, reason)
            case {"event": "assertion_finished"}:
                self._assertion(transaction, event)

    def _block(
        self, transaction: Transaction, block: str, status: str, seconds: float | None = None, rows: int | None = None,
        message: str = "",
    ) -> None:  # fmt: skip
        at = values.text(values.now())
        transaction.execute(_UPSERT, self.run, self.attempt, block, status, at, seconds, rows, message)

    def _assertion(self, transaction: Transaction, event: Mapping[str, Any]) -> None:
        if event["status"] == "failed":
            self.reason = self.reason or _broken(event)
        sample = {"columns": event["columns"], "rows": event["sample"]} if event.get("sample") else {}
        transaction.execute(
            "insert into assertion_results (run, attempt, block, assertion, status, failing, seconds, error, sample)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (run, attempt, block, assertion) do update set"
            " status = excluded.status, failing = excluded.failing, error = excluded.error, sample = excluded.sample",
            self.run, self.attempt, event["block"], event["assertion"], event["status"], event["failing"],
            event["seconds"], event["error"], values.as_json(sample) if sample else "",
        )  # fmt: skip

    def _log(self, transaction: Transaction, block: str, line: str) -> None:
        self.lines += 1
        if self.lines > LOG_LINES_AT_MOST:
            return
        if self.lines == LOG_LINES_AT_MOST:
            line = f"… what comes after {LOG_LINES_AT_MOST} lines is not kept"
        transaction.execute(
            "insert into logs (run, attempt, block, at, line) values (?, ?, ?, ?, ?)",
            self.run, self.attempt, block, values.text(values.now()), _cut(line),
        )  # fmt: skip

    def _give_back(self, transaction: Transaction, pools: Mapping[str, int]) -> None:
        """Give back the places in pools that no block of the run can take."""
        rows = transaction.rows("select takes from runs where id = ? and attempt = ?", self.run, self.attempt)
        for (takes,) in rows:
            share = Share.of(takes)
            used = {name: min(places, pools[name]) for name, places in share.pools.items() if name in pools}
            left = Share(share.threads, used)
            transaction.execute("update runs set takes = ? where id = ?", left.text(), self.run)


def _broken(event: Mapping[str, Any]) -> str:
    """Return in a line what an assertion that failed says."""
    failing, assertion = event["failing"], event["assertion"]
    if event["error"]:
        return f"{event['block']}: {assertion}: {event['error'].splitlines()[0]}"
    return f"{event['block']}: {that_break(failing)} {assertion}"


def _event(line: str) -> Mapping[str, Any] | None:
    """Return the event that a line is; None for a line that is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return _bounded(found) if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS - 1] + CUT


def _bounded(value: Any) -> Any:
    """Return a value with no text longer than is kept, and without the one character that Postgres cannot keep."""
    match value:
        case str():
            return _cut(value).replace("\0", "\\x00")
        case list():
            return [_bounded(item) for item in value]
        case dict():
            return {key: _bounded(item) for key, item in value.items()}
    return value
