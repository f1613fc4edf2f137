"""An open DuckDB database, and the lines of work in it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from sqlflow.core import streams
from sqlflow.core.engine import Column, Holder, Relation, Rows
from sqlflow.core.errors import StatementError, TargetError
from sqlflow.core.later import later
from sqlflow.core.names import TableName, literal
from sqlflow_duckdb import copy, definitions, enums, infinite, spill
from sqlflow_duckdb.main_thread import interruptible
from sqlflow_duckdb.settings import DuckDBSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlflow_duckdb import errors
else:
    (errors,) = later("sqlflow_duckdb", "errors")

_STORAGE = "v1.5.0"
"""Files of this form are opened by DuckDB 1.5 and by 2.0; 2.0's own default is not read by 1.5."""

_LOOK_AGAIN_SECONDS = 0.02
_DESCRIBE = "describe\n"
_NULL = '"NULL"'
_NOTHING: Mapping[str, duckdb.Statement] = {}
_HIDES_NULL = duckdb.__version__.startswith("1.")
"""DuckDB 1.5 gives a bare NULL out as INTEGER; inside a query it still tells the two apart. 2.0 tells them apart."""


class DuckDBConnection:
    """One process's hold on a database file."""

    def __init__(
        self, settings: DuckDBSettings, root: Path, readonly: bool, parsed: Mapping[str, duckdb.Statement] = _NOTHING
    ) -> None:
        """`parsed` are SELECTs, by their texts, that need not be parsed again to tell their columns."""
        self._parsed = parsed
        in_memory = settings.path == ":memory:"
        self.path = Path(settings.path) if in_memory else _below(root, settings.path)
        self._leave: Callable[[], None] = lambda: None
        if readonly and not in_memory and not self.path.exists():
            raise TargetError(f"`{self.path}` does not exist yet", hint="make it with `sqlflow build`")
        self.copy = _below(root.resolve(), settings.publish_copy) if settings.publish_copy else None
        self.server = ""
        self.wants_copy = self.copy is not None
        if self.copy is not None and self.copy.resolve() == self.path.resolve():
            raise TargetError(f"`publish_copy` is the database itself, `{self.path}`", hint="give it another path")
        try:
            self._connection = _opened(self.path, readonly and not in_memory, _config(settings, root, self.path))
        except duckdb.Error as error:
            raise errors.open_error(error, self.path) from error
        if not readonly and not in_memory:
            spill.enter(self.path, _below(root, settings.temp_directory) if settings.temp_directory else None)
            self._leave = partial(spill.leave, self.path)
        try:
            for name, value in _session_settings(settings, root).items():
                _set(self._connection, name, value)
            if settings.sandbox:
                _close_sandbox(self._connection, root, self.copy)
        except (duckdb.Error, TargetError) as error:
            self.close()
            raise error if isinstance(error, TargetError) else errors.open_error(error, self.path) from error

    def definitions(self) -> str:
        """Return a hash of all types, and of all macros where one has the name of a function of DuckDB's own."""
        return definitions.told(self.session().rows)

    def session(self, run: str = "") -> "DuckDBSession":
        return DuckDBSession(self._connection.cursor(), self.path, self._parsed)

    def relations(self, schemas: Sequence[str]) -> tuple[Relation, ...]:
        if not schemas:
            return ()
        listed = ", ".join(literal(schema) for schema in schemas)
        here = "database_name = current_database() and not internal"
        found = self.session().rows(
            "select schema_name, table_name, 'table', '', coalesce(comment, '') from duckdb_tables()"
            f" where {here} and schema_name in ({listed})"
            f" union all select schema_name, view_name, 'view', sql, '' from duckdb_views() where {here}"
            f" and schema_name in ({listed})"
        )
        return tuple(
            Relation(TableName.of(schema, name), kind, sql, comment=comment)
            for schema, name, kind, sql, comment in found.rows
        )

    def dependents(self, relations: Sequence[TableName]) -> tuple[tuple[TableName, TableName], ...]:
        return ()

    def settle(self, is_stopped: Callable[[], bool]) -> str:
        return ""

    def has_ended(self, holder: Holder) -> bool:
        """Whoever wrote the file from another process has closed it, or this one could not have opened it."""
        import socket

        return (holder.host, holder.pid) != (socket.gethostname(), os.getpid())

    def write_copy(self, names: Sequence[TableName], run: str) -> None:
        if self.copy is None:
            return
        cursor = self._connection.cursor()
        try:
            copy.write(cursor, self.copy, names, run, _STORAGE)
        finally:
            cursor.close()

    def close(self) -> None:
        self._connection.close()
        self._leave()


def _opened(path: Path, readonly: bool, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """Return an open file. One that another process makes at this moment is opened once more: its first bytes are still to come."""
    while True:
        try:
            return duckdb.connect(str(path), read_only=readonly, config=config)
        except duckdb.IOException as error:
            if not errors.is_being_made(error, path):
                raise
        time.sleep(_LOOK_AGAIN_SECONDS)


def _below(root: Path, path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else root / path


def _config(settings: DuckDBSettings, root: Path, path: Path) -> dict[str, Any]:
    config: dict[str, Any] = {
        "python_enable_replacements": "false",
        "storage_compatibility_version": _STORAGE,
    }
    if settings.memory_limit:
        config["memory_limit"] = settings.memory_limit
    if settings.temp_directory:
        config["temp_directory"] = str(spill.folder(path, _below(root, settings.temp_directory)))
    if settings.threads:
        config["threads"] = settings.threads
    return config


def _session_settings(settings: DuckDBSettings, root: Path) -> dict[str, Any]:
    """Times are read and written in UTC, so that a build gives the same wherever it runs."""
    ours = {"file_search_path": str(root.resolve()), "errors_as_json": True, "TimeZone": "UTC"}
    return ours | settings.settings


def _set(connection: duckdb.DuckDBPyConnection, name: str, value: Any) -> None:
    try:
        connection.execute(f"set global {name} = {literal(value)}")
    except duckdb.Error as error:
        raise errors.setting_error(error, name) from error


def _close_sandbox(connection: duckdb.DuckDBPyConnection, root: Path, published: Path | None) -> None:
    """Leave SQL the files of the project alone, no extensions, and no way to open the sandbox again."""
    connection.execute(f"set allowed_directories = [{literal(str(root.resolve()))}]")
    if published is not None:
        paths = [str(path.resolve()) for path in copy.files(published)]
        connection.execute(f"set allowed_paths = [{', '.join(map(literal, paths))}]")
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access"):
        connection.execute(f"set {setting} = false")
    connection.execute("set lock_configuration = true")


class DuckDBSession:
    """A cursor: DuckDB runs the statements of different cursors side by side."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, path: Path, parsed: Mapping[str, duckdb.Statement] = _NOTHING
    ) -> None:
        self._cursor = cursor
        self._parsed = parsed
        self._path = path
        self._names = 0

    def execute(self, sql: str) -> int | None:
        try:
            found = self._cursor.execute(sql).fetchall()
        except duckdb.Error as error:
            raise errors.refused(error, sql, self._path) from error
        return found[0][0] if found and type(found[0][0]) is int else None

    def rows(self, sql: str, limit: int | None = None) -> Rows:
        cursor = self._cursor if limit is None else self._cursor.cursor()

        def run(sql: str) -> infinite.Values:
            interruptible(cursor, lambda: cursor.execute(sql))
            return cursor.fetchall() if limit is None else cursor.fetchmany(limit)

        try:
            rows = run(sql)
            columns = tuple(column[0] for column in cursor.description or ())
            rows = infinite.told(rows, cursor.description or [], sql, run)
        except duckdb.Error as error:
            raise errors.refused(error, sql, self._path) from error
        finally:
            if limit is not None:
                cursor.close()
        return Rows(columns, tuple(rows))

    def batches(self, sql: str) -> "pa.RecordBatchReader":
        import pyarrow as pa

        try:
            batches = enums.reader(self._cursor.sql(sql))
        except duckdb.Error as error:
            raise errors.refused(error, sql, self._path) from error
        kinds = (OSError, pa.ArrowException, duckdb.Error)
        return streams.told(batches, kinds, lambda error: errors.refused(error, sql, self._path))

    def load(
        self, relation: TableName, batches: "pa.RecordBatchReader", options: Mapping[str, Any] | None = None
    ) -> None:
        self._names += 1
        name = f"sqlflow_batches_{self._names}"
        self._cursor.register(name, batches)
        try:
            self.execute(f"create table {relation.sql} as select *{enums.clause(batches.schema)} from {name}")
        finally:
            with suppress(duckdb.Error):  # in a transaction that has failed DuckDB 2.0 refuses this too
                self._cursor.unregister(name)

    def columns(self, sql: str) -> tuple[Column, ...]:
        found = self._bound(sql) or self._described(sql)
        kinds = [kind for _, kind in found]
        if _HIDES_NULL and "INTEGER" in kinds:
            kinds = self._inner_types(sql, kinds)
        return tuple(Column(name, "" if kind == _NULL else kind) for (name, _), kind in zip(found, kinds, strict=True))

    def _bound(self, sql: str) -> list[tuple[str, str]] | None:
        """Return the columns of a SELECT that is parsed already; None of another, and of a faulty one, whose place is not told here."""
        statement = self._parsed.get(sql)
        if statement is None:
            return None
        try:
            bound = interruptible(self._cursor, lambda: self._cursor.sql(statement))
            return list(zip(bound.columns, map(str, bound.types), strict=True))
        except duckdb.InterruptException as error:
            raise errors.refused(error, sql, self._path) from error
        except duckdb.Error:
            return None

    def _described(self, sql: str) -> list[tuple[str, str]]:
        try:
            found = self.rows(f"{_DESCRIBE}{sql}")
        except StatementError as error:
            position = None if error.position is None else max(0, error.position - len(_DESCRIBE))
            raise StatementError(error.message, position, error.missing_table, of_columns=error.of_columns) from error
        return [(name, kind) for name, kind, *_ in found.rows]

    def _inner_types(self, sql: str, kinds: list[str]) -> list[str]:
        """Return the types of a query's columns as they are inside another query; `kinds` where it cannot be in one."""
        nulls = ", ".join(["null"] * len(kinds))
        try:
            found = self.rows(
                f"select typeof(columns(*)) from (select * from (\n{sql}\n) where false union all select {nulls})"
            )
        except StatementError:
            return kinds
        return list(found.rows[0])

    def show(self, view: TableName, relation: TableName, cascade: bool = False) -> None:
        self.execute(f"create or replace view {view.sql} as select * from {relation.sql}")

    def label(self, text: str) -> None:
        """DuckDB shows nobody what a process runs."""

    @contextmanager
    def transaction(self, lock_seconds: float | None = None) -> Iterator[None]:
        self.execute("begin transaction")
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self.execute("commit")

    def _roll_back(self) -> None:
        """End the transaction; DuckDB may have ended it already, and the first error is the one to tell."""
        try:
            self._cursor.execute("rollback")
        except duckdb.Error:
            return

    def interrupt(self) -> None:
        with suppress(duckdb.ConnectionException):  # it was closed in this moment: nothing runs any more
            self._cursor.interrupt()

    def close(self) -> None:
        self._cursor.close()
