"""What is kept of the versions that a run makes: with a version that took long, and together for many that were quick.

Two rows for each of many small versions take as long as a tenth of making them. A version whose rows are not yet kept when
the process is killed is one that nothing knows of: it is swept and built again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec import Struct

from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.plan.recipes import Entry
from sqlflow.run import state

QUICK_SECONDS = 0.2
_TOGETHER = 16


class Record(Struct, frozen=True):
    """The rows of one version; no recipe where it is not known how it was made."""

    version: state.Version
    recipe: Entry | None


@dataclass
class Records:
    """The records of one run that are still to be written. Threads share it."""

    waiting: list[Record] = field(default_factory=list)
    unsure: set[TableName] = field(default_factory=set)
    """The versions whose record may be there: a COMMIT can raise and still have happened."""
    lost: dict[TableName, Record] = field(default_factory=dict)
    """The records of versions whose transaction failed before they were written, for the same reason."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def transaction(self, session: Session, at_once: bool = False) -> Iterator[Callable[[Record], None]]:
        """Make a version in a transaction, and give its record to what is yielded.

        It is written `at_once` where what comes in the same run asks for it.
        """
        begun, own = time.perf_counter(), list[Record]()
        due: list[Record] = []
        try:
            with session.transaction():
                yield own.append
                due = self._due(own, at_once or time.perf_counter() - begun >= QUICK_SECONDS)
                self._write(session, due)
        except BaseException:
            with self.lock:
                self.waiting += [record for record in due if record not in own]
                self.unsure |= {record.version.relation for record in due}
                self.lost |= {record.version.relation: record for record in own}
            raise
        with self.lock:
            self.waiting += [record for record in own if record not in due]

    def _due(self, own: list[Record], at_once: bool) -> list[Record]:
        """Return what is to be written now, and take it from what waits."""
        with self.lock:
            if not at_once and len(self.waiting) + len(own) < _TOGETHER:
                return []
            due = [*self.waiting, *own]
            self.waiting.clear()
            return due

    def has_happened(self, relation: TableName, session: Session) -> bool:
        """Tell whether the version of a transaction that failed is there all the same."""
        if state.is_recorded(session, relation):
            return True
        try:
            session.columns(f"select * from {relation.sql}")
        except StatementError:
            return False
        with self.lock:
            record = self.lost.pop(relation, None)
            self.waiting += [record] if record else []
        return record is not None

    def close(self, session: Session) -> None:
        """Write what still waits. Raise what the target says against it."""
        with self.lock:
            due = list(self.waiting)
        if not due:
            return
        try:
            with session.transaction():
                self._write(session, due)
        except BaseException:
            self.unsure |= {record.version.relation for record in due}
            raise
        with self.lock:
            self.waiting = [record for record in self.waiting if record not in due]

    def _write(self, session: Session, records: Iterable[Record]) -> None:
        new = [one for one in records if self._is_new(one, session)]
        state.record_versions(session, [record.version for record in new])
        recipes = [(record.recipe, record.version.run) for record in new if record.recipe]
        state.record_recipes(session, recipes)

    def _is_new(self, record: Record, session: Session) -> bool:
        relation = record.version.relation
        return relation not in self.unsure or not state.is_recorded(session, relation)
