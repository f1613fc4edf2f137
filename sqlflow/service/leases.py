"""Which service looks after which run: claims, heartbeats, and what becomes of the runs of a service that has ended.

A service shows that it lives by counting its beats in the history. Another one takes over what was its own when it knows
that its process has ended, on the same machine, or when it has itself seen the same beat for too long: no two clocks are
compared. An attempt that was taken over can write nothing any more, and its process is ended by whoever meets it.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct

from sqlflow.core.flow import Retries
from sqlflow.core.pipeline import Pipeline
from sqlflow.service import values
from sqlflow.service.database import Transaction
from sqlflow.service.history import History
from sqlflow.service.ids import new_id
from sqlflow.service.nouns import Run
from sqlflow.service.processes import end_group, identity, is_alive, is_here
from sqlflow.service.queue import Limits, Share, standing, turn
from sqlflow.service.rows import enter, tell
from sqlflow.service.states import RunStatus

BEAT_SECONDS = 5.0
DEAD_SECONDS = 30.0
INTERRUPTIONS_AT_MOST = 3
"""A run is taken up again so often when its service ends in the middle of it: one that brings it down must not go on for ever."""


class Claim(Struct, frozen=True):
    """A run that this service has begun, with what it may take."""

    run: Run
    share: Share


class End(Struct, frozen=True):
    """How an attempt has ended. `may_retry` says whether another one could go better."""

    status: RunStatus
    reason: str = ""
    exit_code: int | None = None
    may_retry: bool = False
    is_interrupted: bool = False
    """The service has ended in the middle of it: it begins again, and no try is used up."""


@dataclass
class Membership:
    """This service among those of a history."""

    history: History
    id: str = field(default_factory=new_id)
    clock: Callable[[], datetime] = values.now
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def join(self) -> None:
        """Enter the service into the history."""
        at, pid = values.text(self.clock()), os.getpid()
        with self.history.database.transaction() as transaction:
            transaction.execute(
                "insert into services (id, host, pid, process, started_at, beats, heartbeat) values (?, ?, ?, ?, ?, 0, ?)",
                self.id, socket.gethostname(), pid, identity(pid), at, at,
            )  # fmt: skip

    def beat(self) -> bool:
        """Show that the service lives; False if another one has taken it for dead, and all that was its own."""
        at = values.text(self.clock())
        with self.history.database.transaction() as transaction:
            transaction.execute(
                "update attempts set heartbeat = ? where service = ? and finished_at is null", at, self.id
            )
            return transaction.execute(
                "update services set beats = beats + 1, heartbeat = ? where id = ?", at, self.id
            ) == 1  # fmt: skip

    def leave(self) -> None:
        """Take the service out of the history."""
        with self.history.database.transaction() as transaction:
            transaction.execute("delete from services where id = ?", self.id)

    def dead(self) -> list[str]:
        """Return the services that have ended without leaving."""
        rows = self.history.database.rows("select id, pid, process, beats from services where id <> ?", self.id)
        now, found = time.monotonic(), []
        for id, pid, process, beats in rows:
            seen, since = self._seen.get(id, (None, now))
            if seen != beats:
                self._seen[id], since = (beats, now), now
            has_ended = is_here(process) and not is_alive(pid, process)
            if has_ended or now - since >= DEAD_SECONDS:
                found.append(id)
        return found

    def take_over(self, dead: str, pipelines: Mapping[str, Pipeline]) -> int:
        """End what is left of the runs of a service that is dead, let them begin again, and return how many there were."""
        now = self.clock()
        with self.history.database.transaction(deciding=True) as transaction:
            if not transaction.execute("delete from services where id = ?", dead):
                return 0
            left = transaction.rows(
                "select run, number, pid, process from attempts where service = ? and finished_at is null", dead
            )
            for run, number, pid, process in left:
                end_group(pid, process)
                end = End("lost", "the service that ran it has ended", may_retry=True, is_interrupted=True)
                finish(transaction, run, number, end, pipelines, now)
            return len(left)

    def claim(
        self, pipelines: Mapping[str, Pipeline], limits: Limits, held: Callable[[Pipeline, str], str] = lambda *_: "",
    ) -> list[Claim]:  # fmt: skip
        """Begin the runs whose turn it is, say of the others why they wait, and return those that have begun."""
        now = self.clock()
        with self.history.database.transaction(deciding=True) as transaction:
            runs = standing(transaction)
            waiting = {run.id: pipelines.get(run.pipeline) for run in runs if run.status != "running"}
            held_by = {id: why for id, one in waiting.items() if one and (why := held(one, id))}
            found = turn(runs, pipelines, limits, now, held_by)
            known = {run.id: run for run in runs}
            for id in found.unknown:
                enter(transaction, id, "failed", f"there is no pipeline `{known[id].pipeline}`", now)
            for id, why in found.wait.items():
                if (known[id].status, known[id].reason) != ("waiting", why):
                    if known[id].status == "queued":
                        enter(transaction, id, "waiting", why, now)
                    else:
                        transaction.execute("update runs set reason = ? where id = ?", why, id)
            return [self._begun(transaction, id, share, now) for id, share in found.begin.items()]

    def _begun(self, transaction: Transaction, id: str, share: Share, now: datetime) -> Claim:
        at = values.text(now)
        transaction.execute(
            "update runs set attempt = attempt + 1, started_at = coalesce(started_at, ?), not_before = null,"
            " waits_since = null, service = ?, takes = ? where id = ?",
            at, self.id, share.text(), id,
        )  # fmt: skip
        enter(transaction, id, "running", "", now)
        run = values.run(transaction.rows(f"select {values.RUN} from runs where id = ?", id)[0])
        transaction.execute(
            "insert into attempts (run, number, status, service, host, pid, process, started_at, heartbeat, build, reason)"
            " values (?, ?, 'running', ?, ?, 0, '', ?, ?, '', '')",
            id, run.attempt, self.id, socket.gethostname(), at, at,
        )  # fmt: skip
        return Claim(run, share)


def finish(
    transaction: Transaction, run: str, attempt: int, end: End, pipelines: Mapping[str, Pipeline], now: datetime
) -> bool:
    """End an attempt, and its run or let it wait for the next attempt; False if somebody else has ended it."""
    at = values.text(now)
    ended = transaction.execute(
        "update attempts set status = ?, reason = ?, exit_code = ?, finished_at = ?"
        " where run = ? and number = ? and finished_at is null",
        end.status, end.reason, end.exit_code, at, run, attempt,
    )  # fmt: skip
    if not ended:
        return False
    transaction.execute(
        "update block_runs set status = 'cancelled' where run = ? and attempt = ? and status = 'running'", run, attempt
    )
    rows = transaction.rows("select pipeline, tries, interruptions, cancel_at from runs where id = ?", run)
    pipeline, tries, interruptions, cancel_at = rows[0]
    is_counted = not (end.is_interrupted and interruptions < INTERRUPTIONS_AT_MOST)
    transaction.execute(
        f"update runs set takes = '', service = '', {'tries = tries' if is_counted else 'interruptions = interruptions'} + 1"
        " where id = ?",
        run,
    )
    if end.may_retry and cancel_at is None:
        known = pipelines.get(pipeline)
        retries = known.retries if known else Retries()
        left = retries.pause(tries + 1) if is_counted else 0.0
        if left is not None:
            tell(transaction, run, attempt, f"attempt_{end.status}", {"reason": end.reason})
            again = values.text(now + timedelta(seconds=left))
            transaction.execute("update runs set not_before = ? where id = ?", again, run)
            reason = f"attempt {attempt} {_was(end.status)}: {end.reason}; begins again{_in(left)}"
            return enter(transaction, run, "waiting", reason, now)
    if cancel_at is not None and end.status in ("lost", "failed"):
        return enter(transaction, run, "cancelled", end.reason, now)
    return enter(transaction, run, end.status, end.reason, now)


def give_up(transaction: Transaction, run: str, reason: str, retries: Retries, now: datetime) -> bool:
    """End the try of a run that has waited in vain, and the run or let it wait for the next try; False if it waits no more."""
    rows = transaction.rows("select tries from runs where id = ? and status in ('queued', 'waiting')", run)
    if not rows:
        return False
    left = retries.pause(rows[0][0] + 1)
    transaction.execute("update runs set tries = tries + 1, waits_since = null where id = ?", run)
    if left is None:
        return enter(transaction, run, "failed", reason, now)
    tell(transaction, run, 0, "wait_failed", {"reason": reason})
    again = values.text(now + timedelta(seconds=left))
    reason = f"{reason}; waits again{_in(left)}"
    enter(transaction, run, "waiting", reason, now)
    return transaction.execute("update runs set not_before = ?, reason = ? where id = ?", again, reason, run) == 1


def _was(status: RunStatus) -> str:
    return status if status == "failed" else f"was {status}"


def _in(seconds: float) -> str:
    return f" in {seconds:g} s" if seconds else ""
