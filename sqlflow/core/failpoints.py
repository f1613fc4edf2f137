"""Places at which a test makes the process fail: `SQLFLOW_FAIL=<name>:<nth>:<kill|raise|hang|enospc>`.

Every statement is such a place, named after what it does (`create view`, `insert sqlflow_versions`, `commit`), and so are the
steps between them that write something. `any` stands for every name. Without the variable nothing is looked at.
"""

import itertools
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from sqlflow.core.engine import Column, Connection, Rows, Session
from sqlflow.core.errors import StatementError, TargetError
from sqlflow.core.names import TableName

if TYPE_CHECKING:
    import pyarrow as pa

VARIABLE = "SQLFLOW_FAIL"
_WHAT = re.compile(r"\W*(\w+)(?: (?:or replace|unique|if (?:not )?exists|into|from|on))* ?(\w*)")
_STATE_TABLE = re.compile(r'\."(sqlflow_[a-z]+)"')


class Failure(Struct):
    """What is to happen when the place `name` is reached for the `nth` time."""

    name: str
    nth: int
    kind: str
    reached: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    has_happened: bool = False

    def __call__(self, name: str) -> None:
        if self.name not in (name, "any") or next(self.reached) != self.nth:
            return
        self.has_happened = True
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "hang":
            print(f"hangs at {name}", file=sys.stderr, flush=True)
            threading.Event().wait()
        if self.kind == "enospc":
            raise TargetError(f"the fail-point `{name}`: no space left on device")
        raise StatementError(f"the fail-point `{name}`")


def _parsed(text: str) -> Failure:
    name, nth, kind = text.split(":")
    return Failure(name, int(nth), kind)


_failure = _parsed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


@contextmanager
def armed(text: str) -> Iterator[Failure]:
    """Let what the variable would say fail inside, in this process."""
    global _failure  # noqa: PLW0603  a process has one
    _failure = failure = _parsed(text)
    try:
        yield failure
    finally:
        _failure = None


def point(name: str) -> None:
    """Fail here, if that is what was asked for."""
    if _failure is not None:
        _failure(name)


def failing(connection: Connection) -> Connection:
    """Return a connection of which every statement is a fail-point; the same one if nothing is to fail."""
    return connection if _failure is None else _Connection(connection)


def _statement(sql: str) -> None:
    found = _WHAT.match(sql)
    verb, what = found.groups() if found else ("", "")
    table = _STATE_TABLE.search(sql)
    point(f"{verb} {table[1]}" if table else verb if verb in ("select", "describe") else f"{verb} {what}".strip())


class _Connection:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def session(self, run: str = "") -> Session:
        return _Session(self.connection.session(run))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


class _Session:
    def __init__(self, session: Session) -> None:
        self.session = session

    def execute(self, sql: str) -> int | None:
        _statement(sql)
        return self.session.execute(sql)

    def rows(self, sql: str, limit: int | None = None) -> Rows:
        _statement(sql)
        return self.session.rows(sql, limit)

    def columns(self, sql: str) -> tuple[Column, ...]:
        point("describe")
        return self.session.columns(sql)

    def load(
        self, relation: TableName, batches: "pa.RecordBatchReader", options: Mapping[str, Any] | None = None
    ) -> None:
        point("load")
        self.session.load(relation, batches, options)

    def show(self, view: TableName, relation: TableName, cascade: bool = False) -> None:
        point("create view")
        self.session.show(view, relation, cascade)

    @contextmanager
    def transaction(self, lock_seconds: float | None = None) -> Iterator[None]:
        point("begin")
        with self.session.transaction(lock_seconds):
            yield
            point("commit")
        point("committed")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)
