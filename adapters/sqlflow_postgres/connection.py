"""An open Postgres database, and the lines of work in it."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import generators

from sqlflow.core.engine import Column, Holder, Relation, Rows
from sqlflow.core.errors import LostError, StatementError, TargetError
from sqlflow.core.names import TableName, literal, quoted
from sqlflow_postgres import arrow, copy_in, copy_out, definitions, tables, values, views
from sqlflow_postgres.errors import open_error, statement_error
from sqlflow_postgres.settings import PostgresSettings

if TYPE_CHECKING:
    import pyarrow as pa

_CHECKS_CLIENT_SINCE = 140000
_CANCEL_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.1
_BEGINNING = timedelta(seconds=5)
_HOLDING_SHARE = 10
"""Whoever holds a view's lock waits for the next one so much shorter: its holder may be waiting for the first."""


class PostgresConnection:
    """A server to which sessions are opened, each a connection of its own."""

    def __init__(self, settings: PostgresSettings, readonly: bool) -> None:
        self._settings = settings
        self._readonly = readonly
        self.wants_copy = False
        self._opened: list[PostgresSession] = []
        self._line = self.session()
        self.server = self._line.server

    def _asked(self, sql: str) -> Rows:
        """Return the rows of a query about the database itself; asked again on another session if that has broken."""
        try:
            return self._line.rows(sql)
        except LostError:
            self._line.close()
            self._line = self.session()
            return self._line.rows(sql)

    def definitions(self) -> str:
        """Return a hash of types, operators, casts and functions that are not Postgres's own, as far as they may count."""
        return definitions.told(self._asked)

    def session(self, run: str = "") -> "PostgresSession":
        place, connection = "the server", None
        try:
            given = psycopg.conninfo.conninfo_to_dict(self._settings.url)
            place = _place(given)
            connection = psycopg.connect(
                **(given | _own_parameters(self._settings, run)),
                autocommit=True, cursor_factory=_OneStatement, prepare_threshold=None,
            )  # fmt: skip
            _refuse_encoding(connection, place)
            connection.execute(_set_all(_session_settings(self._settings, self._readonly, connection)))
        except (psycopg.Error, TargetError) as error:
            if connection is not None:
                connection.close()
            raise error if isinstance(error, TargetError) else open_error(error, place) from error
        values.register(connection.adapters)
        session = PostgresSession(connection)
        self._opened = [*(other for other in self._opened if other.is_open), session]
        return session

    def relations(self, schemas: Sequence[str]) -> tuple[Relation, ...]:
        if not schemas:
            return ()
        listed = ", ".join(literal(schema) for schema in schemas)
        found = self._asked(
            "select nspname, relname, case relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,"
            f" case when relkind in ('v', 'm') then pg_get_viewdef(pg_class.oid) else '' end, {tables.IS_LOST},"
            " case when relkind in ('v', 'm') then '' else coalesce(obj_description(pg_class.oid, 'pg_class'), '') end"
            " from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            f" where relkind in ('r', 'p', 'v', 'm', 'f') and not relispartition and nspname in ({listed})"
        )
        return tuple(Relation(TableName.of(schema, name), *told) for schema, name, *told in found.rows)

    def write_copy(self, names: Sequence[TableName], run: str) -> None:
        """A server lets everybody read while a build writes: no copy is needed."""

    def dependents(self, relations: Sequence[TableName]) -> tuple[tuple[TableName, TableName], ...]:
        return views.dependents(relations, self._asked)

    def settle(self, is_stopped: Callable[[], bool]) -> str:
        """Wait for transactions that have read already and go on: in `repeatable read` they keep to what was there then.

        Sessions of sqlflow's own are in `read committed`.
        """
        began = self._asked("select clock_timestamp()::text").rows[0][0]
        deadline = time.monotonic() + self._settings.snapshot_wait
        while True:
            found = self._asked(
                f"select pid, application_name from pg_stat_activity where xact_start < {literal(began)}::timestamptz"
                " and datname = current_database() and pid <> pg_backend_pid() and backend_xmin is not null"
                f" and application_name not like {literal(_application_name('') + '%')}"
                " and (state like 'idle in transaction%' or xact_start < query_start) order by pid"
            ).rows
            if not found or is_stopped():
                return ""
            if time.monotonic() >= deadline:
                return ", ".join(f"process {pid} ({name or 'without a name'})" for pid, name in found)
            time.sleep(_LOOK_AGAIN_SECONDS)

    def has_ended(self, holder: Holder) -> bool:
        """Tell whether no session works for the holder's run; while it has just begun, it may not have made its first."""
        age = datetime.now(UTC).replace(tzinfo=None) - datetime.fromisoformat(holder.since)
        if age < _BEGINNING and not _is_gone(holder):
            return False
        name = literal(_application_name(holder.run))
        seen = "application_name is null and pid <> pg_backend_pid() and backend_type = 'client backend'"
        return not self._asked(
            f"select 1 from pg_stat_activity where application_name = {name} or ({seen}) limit 1"
        ).rows

    def close(self) -> None:
        for session in self._opened:
            session.close()


def _is_gone(holder: Holder) -> bool:
    """Tell whether the holder's process was on this machine and is not any more."""
    if holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class _OneStatement(psycopg.Cursor[Any]):
    """A cursor that always speaks the extended protocol: in it a text of several statements is refused."""

    def _execute_send(self, query: Any, **options: Any) -> None:
        super()._execute_send(query, **(options | {"force_extended": True}))


def _place(given: dict[str, Any]) -> str:
    host, port = given.get("host") or "localhost", given.get("port") or "5432"
    return f"Postgres at {host}:{port}, database `{given.get('dbname') or given.get('user') or ''}`"


def _application_name(run: str) -> str:
    return f"sqlflow {run}".strip()


def _refuse_encoding(connection: "psycopg.Connection[Any]", place: str) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        hint = "make one with `createdb --encoding UTF8 --template template0`"
        raise TargetError(f"{place} has the encoding {encoding}: sqlflow needs UTF8", hint=hint)


def _own_parameters(settings: PostgresSettings, run: str) -> dict[str, Any]:
    return {
        "application_name": _application_name(run),
        "connect_timeout": max(2, round(settings.connect_timeout)),
        "client_encoding": "UTF8",
    }


def _session_settings(
    settings: PostgresSettings, readonly: bool, connection: "psycopg.Connection[Any]"
) -> dict[str, Any]:
    """What shapes values and names is the same in every session, so that a build gives the same wherever it runs."""
    ours: dict[str, Any] = {
        "TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "bytea_output": "hex",
        "lc_monetary": "C", "lc_numeric": "C", "lc_time": "C", "array_nulls": "on", "transform_null_equals": "off",
        "xmlbinary": "base64", "xmloption": "content", "quote_all_identifiers": "off",
        "extra_float_digits": 1, "standard_conforming_strings": "on", "search_path": f"{quoted(settings.schema)}, public",
        "default_transaction_isolation": "read committed", "default_transaction_read_only": "on" if readonly else "off",
    }  # fmt: skip
    timeouts = {"statement_timeout": settings.statement_timeout, "lock_timeout": settings.lock_timeout}
    ours |= {name: _milliseconds(seconds) for name, seconds in timeouts.items() if seconds is not None}
    if connection.info.server_version >= _CHECKS_CLIENT_SINCE:
        ours["client_connection_check_interval"] = 500
    return ours | settings.settings


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _set_all(values: dict[str, Any]) -> str:
    text = {
        name: ("on" if value else "off") if isinstance(value, bool) else str(value) for name, value in values.items()
    }
    return "select " + ", ".join(
        f"set_config({literal(name)}, {literal(value)}, false)" for name, value in text.items()
    )


class PostgresSession:
    """A connection of its own: Postgres runs one statement after the other on it."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._types: dict[tuple[int, int], str] = {}
        self._comment = ""
        self._lock_seconds: float | None = None

    def show(self, view: TableName, relation: TableName, cascade: bool = False) -> None:
        for statement in views.statements(view, relation, cascade, self.rows):
            self.execute(statement)
        if self._lock_seconds is not None:
            self._plainly(f"set local lock_timeout = {_milliseconds(self._lock_seconds / _HOLDING_SHARE)}")

    @property
    def server(self) -> str:
        """The server's major version: within one, results do not change."""
        return str(self._connection.info.server_version // 10000)

    @property
    def is_open(self) -> bool:
        return not self._connection.closed

    def label(self, text: str) -> None:
        self._comment = f"/* sqlflow {text.replace('*/', '* /')} */ " if text else ""

    def execute(self, sql: str) -> int | None:
        with _told(len(self._comment)), self._connection.cursor() as cursor:
            cursor.execute(_sent(self._comment + sql))
            return cursor.rowcount if cursor.description is None and cursor.rowcount >= 0 else None

    def rows(self, sql: str, limit: int | None = None) -> Rows:
        if limit is not None:
            return self._first_rows(sql, limit)
        with _told(len(self._comment)), self._connection.cursor() as cursor:
            cursor.execute(_sent(self._comment + sql))
            names = tuple(column.name for column in cursor.description or ())
            return Rows(names, tuple(cursor.fetchall()) if cursor.description else ())

    def _first_rows(self, sql: str, limit: int) -> Rows:
        """Return the first rows by a cursor in the server, so that no others are made or sent."""
        declare = f"{self._comment}declare sqlflow_rows no scroll cursor for "
        with self.transaction(), self._connection.cursor() as cursor:
            with _told(len(declare)):
                cursor.execute(_sent(declare + sql))
            with _told():
                cursor.execute(f"fetch {int(limit)} from sqlflow_rows".encode())
                names = tuple(column.name for column in cursor.description or ())
                return Rows(names, tuple(cursor.fetchall()))

    def columns(self, sql: str) -> tuple[Column, ...]:
        """Return what the server says of a prepared query: it is parsed and not run. A bare NULL is text in Postgres."""
        with _told(len(self._comment)):
            described = self._described(_sent(self._comment + sql))
        numbers = range(described.nfields)
        kinds = [(described.ftype(number), described.fmod(number)) for number in numbers]
        self._learn(set(kinds) - set(self._types))
        names = [(described.fname(number) or b"").decode() for number in numbers]
        return tuple(Column(name, self._types[kind]) for name, kind in zip(names, kinds, strict=True))

    def _described(self, sql: bytes) -> "psycopg.pq.abc.PGresult":
        """Return the server's description of a query, waited for as cursors do: libpq's own waiting lets no other thread run."""
        pgconn = self._connection.pgconn
        with self._connection.lock:
            pgconn.send_prepare(b"", sql)
            self._answer()
            pgconn.send_describe_prepared(b"")
            return self._answer()

    def _answer(self) -> "psycopg.pq.abc.PGresult":
        result: psycopg.pq.abc.PGresult
        (result,) = self._connection.wait(generators.execute(self._connection.pgconn))
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
        return result

    def _learn(self, kinds: set[tuple[int, int]]) -> None:
        if kinds:
            listed = ", ".join(f"({oid}::oid, {modifier})" for oid, modifier in kinds)
            found = self.rows(
                f"select oid::bigint, mod, format_type(oid, mod) from (values {listed}) as kinds (oid, mod)"
            )
            self._types |= {(oid, modifier): name for oid, modifier, name in found.rows}

    def batches(self, sql: str) -> "pa.RecordBatchReader":
        import pyarrow as pa

        columns = self.columns(sql)
        schema = pa.schema([pa.field(column.name, arrow.arrow_type(column.type)) for column in columns])
        return pa.RecordBatchReader.from_batches(schema, self._copied(copy_out.query(sql, columns), schema))

    def _copied(self, statement: str, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
        with _told(), self._connection.cursor() as cursor, cursor.copy(_sent(statement)) as copy:
            rows = copy_out.RowsRead.after_head(copy.read())
            while self._connection.wait(rows.more(self._connection.pgconn)):
                yield rows.batch(schema)
            if rows.sizes:
                yield rows.batch(schema)

    def load(
        self, relation: TableName, batches: "pa.RecordBatchReader", options: Mapping[str, Any] | None = None
    ) -> None:
        for name in batches.schema.names:
            if len(name.encode()) > NAME_BYTES:
                raise StatementError(
                    f"the column `{name}` is {len(name.encode())} bytes long: Postgres has at most {NAME_BYTES}"
                )
        columns = ", ".join(f"{quoted(field.name)} {arrow.ddl_type(field.type)}" for field in batches.schema)
        self.execute(tables.created(relation, columns, options or {}))
        statement = f"copy {relation.sql} from stdin (format binary)"
        with _told(), self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write(copy_in.HEAD)
            for batch in batches:
                for part in copy_in.encoded(batch):
                    copy.write(part)
            copy.write(copy_in.TAIL)

    @contextmanager
    def transaction(self, lock_seconds: float | None = None) -> Iterator[None]:
        self._plainly("begin")
        self._lock_seconds = lock_seconds
        try:
            if lock_seconds is not None:
                self._plainly(f"set local lock_timeout = {_milliseconds(lock_seconds)}")
            yield
        except BaseException:
            self._roll_back()
            raise
        if self._plainly("commit") != "COMMIT":
            raise StatementError("the transaction was rolled back: a statement in it had failed")

    def _plainly(self, sql: str) -> str:
        with _told(), self._connection.cursor() as cursor:
            return cursor.execute(sql.encode()).statusmessage or ""

    def _roll_back(self) -> None:
        """End the transaction; the first error is the one to tell."""
        try:
            self._connection.execute("rollback")
        except psycopg.Error:
            return

    def interrupt(self) -> None:
        try:
            self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
        except psycopg.Error:
            return

    def close(self) -> None:
        self._connection.close()


NAME_BYTES = 63
"""Longer names are cut by Postgres in silence, so that they are refused before."""


def _sent(sql: str) -> bytes:
    """Return a statement as it is sent. Raise StatementError for what would be cut or cannot be sent."""
    if "\x00" in sql:
        raise StatementError("the statement holds a NUL character", sql.index("\x00"))
    try:
        return sql.encode()
    except UnicodeEncodeError as error:
        raise StatementError("the statement holds half of a character", error.start) from error


@contextmanager
def _told(shift: int = 0) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise statement_error(error, shift) from error
