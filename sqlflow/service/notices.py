"""Tells people of changes: each change becomes notices once, in the history, and each notice is sent until it has arrived.

A notice that cannot be sent is tried again, a bounded number of times, and what went wrong stays in the history. Nothing of
this touches a run: it happens in threads of its own, and what sends is a process of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Thread

from msgspec import Struct

from sqlflow.core.errors import SqlflowError
from sqlflow.core.pipeline import Pipeline
from sqlflow.read.notifications import Notification
from sqlflow.service import messages, values
from sqlflow.service.database import Transaction
from sqlflow.service.history import History
from sqlflow.service.messages import Ended, Message
from sqlflow.service.nouns import Change, Run, RunFilter
from sqlflow.service.rows import tell
from sqlflow.service.sending import sent

PAUSES_SECONDS = (30.0, 120.0, 600.0, 3600.0)
"""How long to wait after each try that failed; after the last one there is none."""
TRIES = len(PAUSES_SECONDS) + 1
ROUND_SECONDS = 1.0
_AT_ONCE = 4
_BATCH = 20
_ROW = "id, pipeline, run, target, number, title, body, tries, next_at"


class DueNotice(Struct, frozen=True):
    """A notice that waits to be sent. `number` counts the URLs of its target from 0, `tries` those that have failed."""

    id: int
    pipeline: str
    run: str
    target: str
    number: int
    title: str
    body: str
    tries: int
    next_at: str


@dataclass
class Notices:
    """The notices of a service. `heard` hears each run that has ended, once; `tell` what could not be sent."""

    history: History
    pipelines: Callable[[], Mapping[str, Pipeline]]
    notifications: Callable[[], Mapping[str, Notification]]
    tell: Callable[[str], None]
    heard: Iterable[Callable[[Run], None]] = ()
    flags: str = ""
    clock: Callable[[], datetime] = values.now
    _end: Event = field(default_factory=Event)
    _thread: Thread | None = None
    _told: str = ""

    def __enter__(self) -> "Notices":
        self._thread = Thread(target=self._run, name="sqlflow-notices", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join(ROUND_SECONDS * 5)

    def _run(self) -> None:
        while not self._end.wait(ROUND_SECONDS):
            try:
                self.round()
                self._told = ""
            except SqlflowError as error:  # the next round tries again
                if str(error) != self._told:
                    self.tell(f"error: {error}")
                self._told = str(error)

    def round(self) -> None:
        """Take what has changed, and send what is due."""
        for change in self.history.changes():
            self._take(change)
        due = self._due()
        if due:
            with ThreadPoolExecutor(_AT_ONCE, "sqlflow-notice") as pool:
                list(pool.map(self._send, due))

    def _take(self, change: Change) -> None:
        """Make the notices of a change, in the transaction that marks it as told: no other service makes them too."""
        run = self._run_of(change)
        names, message = self._told_of(change, run)
        now = values.text(self.clock())
        with self.history.database.transaction() as transaction:
            ours = transaction.execute(
                "update changes set told_at = ? where id = ? and told_at is null", now, change.id
            )
            if not ours:
                return
            if message is not None:
                for name in names:
                    self._put(transaction, change, name, message, now)
        if run is not None and change.kind == "ended":
            for heard in self.heard:
                heard(run)

    def _told_of(self, change: Change, run: Run | None) -> tuple[tuple[str, ...], Message | None]:
        """Return who is told of a change, and what."""
        pipelines = self.pipelines()
        if change.kind in ("data_stale", "data_fresh"):
            return messages.targets_of_data(change, pipelines), messages.of_data(change, self.flags)
        pipeline = pipelines.get(change.pipeline)
        names = messages.targets(change, pipeline) if pipeline else ()
        return names, self._message(change, pipeline, run) if pipeline and names else None

    def _put(self, transaction: Transaction, change: Change, name: str, message: Message, now: str | None) -> None:
        for number in range(len(self._urls(name)) or 1):
            transaction.execute(
                "insert into notices (at, kind, pipeline, run, target, number, title, body, status, tries, next_at, error)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0, ?, '')",
                now, change.kind, change.pipeline, change.run, name, number, message.title, message.text, now,
            )  # fmt: skip

    def _run_of(self, change: Change) -> Run | None:
        if change.run:
            try:
                return self.history.run(change.run)
            except SqlflowError:  # it has been forgotten
                return None
        found = self.history.runs(RunFilter((change.pipeline,)), limit=1)
        return found[0] if found else None

    def _message(self, change: Change, pipeline: Pipeline, run: Run | None) -> Message | None:
        if change.kind != "ended":
            return messages.of_lateness(change, pipeline, run, self.flags)
        if run is None:
            return None
        before = str(change.body.get("before", ""))
        was_late = bool(change.body.get("was_late"))
        ended = Ended(run, before, self.history.blocks(run.id), self.history.assertions(run.id), was_late)
        return messages.of_run(ended, self.flags)

    def _urls(self, name: str) -> tuple[str, ...]:
        known = self.notifications().get(name)
        return known.urls if known else ()

    def _due(self) -> list[DueNotice]:
        rows = self.history.database.rows(
            f"select {_ROW} from notices where status = 'waiting' and next_at <= ? order by next_at, id limit {_BATCH}",
            values.text(self.clock()),
        )
        return [DueNotice(*row) for row in rows]

    def _send(self, notice: DueNotice) -> None:
        """Send a notice, if no other service does, and keep how it went."""
        if not self._claimed(notice):
            return
        urls = self._urls(notice.target)
        error = (
            sent(urls[notice.number], Message(notice.title, notice.body))
            if notice.number < len(urls)
            else self._fault(notice.target)
        )
        status = "sent" if not error else "waiting" if notice.tries + 1 < TRIES else "failed"
        with self.history.database.transaction() as transaction:
            transaction.execute("update notices set status = ?, error = ? where id = ?", status, error, notice.id)
            if notice.run and status != "waiting":
                body = {"to": notice.target, "error": error, "tries": notice.tries + 1}
                tell(transaction, notice.run, 0, f"notice_{status}", body)
        if error:
            again = "it is tried again" if status == "waiting" else f"given up after {TRIES} tries"
            self.tell(f"{notice.pipeline or 'freshness'}: `{notice.target}` could not be told: {error}; {again}")

    def _fault(self, name: str) -> str:
        known = self.notifications().get(name)
        return (known.fault if known else "") or f"there is no notification `{name}` any more"

    def _claimed(self, notice: DueNotice) -> bool:
        """Count a try before it is made: who dies in it has tried, and the next try comes by itself."""
        pause = PAUSES_SECONDS[min(notice.tries, len(PAUSES_SECONDS) - 1)]
        with self.history.database.transaction() as transaction:
            if notice.tries >= TRIES:
                lost = "it is not known whether it has arrived"
                transaction.execute("update notices set status = 'failed', error = ? where id = ?", lost, notice.id)
                return False
            return transaction.execute(
                "update notices set tries = tries + 1, next_at = ? where id = ? and status = 'waiting' and next_at = ?",
                values.text(self.clock() + timedelta(seconds=pause)), notice.id, notice.next_at,
            ) == 1  # fmt: skip
