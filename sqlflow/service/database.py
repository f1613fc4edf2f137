"""The database that a history lies in: a SQLite file, or Postgres. The statements are the same for both, with `?` for values.

Connections are kept for use by any thread, one thread at a time. Whatever goes wrong is a TargetError, so that callers can
wait for better times; a file that is no history is a StateError.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

from sqlflow.core.errors import StateError, TargetError

CONNECTIONS_AT_MOST = 8
FILE_AWAY = "move the file away: a new one is begun, and no data of blocks is lost with it"
"""What helps where the history is not what was written."""
_BUSY_SECONDS = 10.0
_POSTGRES_SCHEMA = "sqlflow_history"
_ONE_AT_A_TIME = 0x73716C666C6F77
"""The advisory lock of those who decide: its number is `sqlflow` in ASCII."""


@dataclass
class Transaction:
    """Statements that happen all or not at all."""

    cursor: Any
    statement: Callable[[str], str]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(self.statement(sql), values)
        found: list[tuple[Any, ...]] = self.cursor.fetchall()
        return found

    def execute(self, sql: str, *values: Any) -> int:
        """Return how many rows a statement has changed."""
        self.cursor.execute(self.statement(sql), values)
        changed: int = self.cursor.rowcount
        return changed

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self.cursor.executemany(self.statement(sql), rows)


@dataclass
class Database:
    """Connections to one database."""

    name: str
    is_postgres: bool
    connect: Callable[[], Any]
    faults: tuple[type[Exception], ...]
    check: Callable[[], None] = lambda: None
    """Raises one of the `faults` if the connections that are open lead nowhere any more."""
    file: Path | None = None
    """The file of a SQLite database."""
    _free: "LifoQueue[Any]" = field(default_factory=LifoQueue)
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CONNECTIONS_AT_MOST))

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what one query gives."""
        with self._connection() as connection:
            cursor = connection.execute(self._statement(sql), values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    @contextmanager
    def transaction(self, *, deciding: bool = False) -> Iterator[Transaction]:
        """Give a transaction. No two that are `deciding` are open at a time: what one reads, no other changes."""
        with self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute("begin" if self.is_postgres else "begin immediate")
            try:
                if deciding and self.is_postgres:
                    cursor.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
                yield Transaction(cursor, self._statement)
                cursor.execute("commit")
            except BaseException:
                with suppress(*self.faults):
                    cursor.execute("rollback")
                raise

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(Empty):
            while True:
                self._free.get_nowait().close()

    def _statement(self, sql: str) -> str:
        return sql.replace("%", "%%").replace("?", "%s") if self.is_postgres else sql

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with self._places:
            try:
                try:
                    self.check()
                    connection = self._free.get_nowait()
                except Empty:
                    connection = self.connect()
            except self.faults as error:
                raise _told(self.name, error) from error
            try:
                yield connection
            except self.faults as error:
                with suppress(*self.faults):
                    connection.close()
                raise _told(self.name, error) from error
            except BaseException:
                self._free.put(connection)
                raise
            self._free.put(connection)


def _told(name: str, error: Exception) -> Exception:
    """Return an error of ours. SQLite quotes a damaged file in what it says against it: Python finds that to be no text."""
    said = "it is damaged" if isinstance(error, UnicodeDecodeError) else str(error).strip() or type(error).__name__
    message = f"the run history in {name} cannot be used: {said}"
    if isinstance(error, UnicodeDecodeError | sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    ):
        return StateError(message, hint=FILE_AWAY)
    return TargetError(message, hint="the history is a file in `.sqlflow`, or the database that `history` names")


def sqlite(path: Path) -> Database:
    """Return the database in a file, which is made where it is not."""

    files: set[int] = set()

    def check() -> None:
        """Refuse a file that was taken away under open connections: what they write would be gone with it."""
        if files and not (path.exists() and path.stat().st_ino in files):
            raise FileNotFoundError("its file was removed, or replaced by another one, while it was open")

    def connect() -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (ignored := path.parent / ".gitignore").exists():
            ignored.write_text("*\n")  # what has run belongs into no repository
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in (
            "journal_mode = wal",
            "synchronous = full",
            "foreign_keys = off",
            "journal_size_limit = 16777216",
        ):
            connection.execute(f"pragma {pragma}")
        files.add(path.stat().st_ino)
        return connection

    return Database(f"`{path}`", False, connect, (sqlite3.Error, OSError, UnicodeDecodeError), check, path)


def postgres(url: str) -> Database:
    """Return the database that a URL of Postgres names. Raise TargetError if its driver is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise TargetError(
            "a run history in Postgres needs psycopg, which is not installed", hint="pip install 'sqlflow[postgres]'"
        ) from error

    def connect() -> Any:
        connection = psycopg.connect(url, autocommit=True, application_name="sqlflow history", connect_timeout=10)
        connection.execute("set client_min_messages = warning")
        connection.execute(f"set search_path to {_POSTGRES_SCHEMA}")
        connection.execute("set lock_timeout = '10s'")
        return connection

    return Database("Postgres", True, connect, (psycopg.Error, OSError))


def made(statements: Iterable[str], is_postgres: bool) -> Iterator[str]:
    """Yield statements that make tables, in the words of the database."""
    identity = "bigint generated always as identity primary key" if is_postgres else "integer primary key autoincrement"
    if is_postgres:
        yield f"create schema if not exists {_POSTGRES_SCHEMA}"
    for statement in statements:
        yield statement.replace("IDENTITY", identity)
