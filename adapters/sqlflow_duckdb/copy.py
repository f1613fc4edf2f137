"""A copy of what is published, in a file of its own, for readers that must never wait for a build."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from sqlflow.core.errors import TargetError
from sqlflow.core.failpoints import point
from sqlflow.core.names import TableName, literal, quoted

_CATALOG = "sqlflow_copy"
_MARK = "_sqlflow.sqlflow_copy"


def aside(path: Path) -> Path:
    """Return where the copy at `path` is written before it takes the place of the old one."""
    return path.with_name(f".{path.name}.new")


def files(path: Path) -> list[Path]:
    """Return all files that DuckDB touches to write the copy at `path` and to look at it."""
    return [
        Path(f"{file}{end}") for file in (path, aside(path)) for end in ("", ".wal", ".wal.checkpoint", ".wal.recovery")
    ]


def write(cursor: duckdb.DuckDBPyConnection, path: Path, names: Sequence[TableName], run: str, storage: str) -> None:
    """Write the relations as tables into a new file and let it take the place of the one at `path`, in one step.

    Nothing is done if the file there is of the same run. Whoever has the old file open goes on reading it. Raise
    TargetError if it cannot be written; the old copy stays then.
    """
    if _run_of(cursor, path) == run:
        return
    new = aside(path)
    try:
        _remove(new)
        cursor.execute(f"attach {literal(str(new))} as {_CATALOG} (storage_version {literal(storage)})")
        try:
            _fill(cursor, names, run)
        finally:
            cursor.execute(f"detach {_CATALOG}")
        point("copy written")
        new.chmod(0o444)
        new.replace(path)
        point("copy in place")
    except (duckdb.Error, OSError) as error:
        with suppress(OSError):
            _remove(new)
        raise TargetError(
            f"published, but the copy `{path}` could not be written: {error}", hint="the next build writes it again"
        ) from error
    _sync(path.parent)


def _run_of(cursor: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Return the run of the copy that is there; empty if there is none that can be read."""
    if not path.exists():
        return ""
    try:
        cursor.execute(f"attach {literal(str(path))} as {_CATALOG} (read_only)")
        try:
            found = cursor.execute(f"select run from {_CATALOG}.{_MARK}").fetchone()
        finally:
            cursor.execute(f"detach {_CATALOG}")
    except duckdb.Error:
        return ""
    return str(found[0]) if found else ""


def _fill(cursor: duckdb.DuckDBPyConnection, names: Sequence[TableName], run: str) -> None:
    cursor.execute("begin transaction")
    try:
        for schema in sorted({"_sqlflow", *(name.schema for name in names)}):
            cursor.execute(f"create schema if not exists {_CATALOG}.{quoted(schema)}")
        for name in names:
            cursor.execute(f"create table {_CATALOG}.{name.sql} as select * from {name.sql}")
            for statement in _comments(cursor, name):
                cursor.execute(statement)
        cursor.execute(f"create table {_CATALOG}.{_MARK} as select {literal(run)} as run, now() as written_at")
        cursor.execute("commit")
    except duckdb.Error:
        with suppress(duckdb.Error):
            cursor.execute("rollback")
        raise


def _comments(cursor: duckdb.DuckDBPyConnection, name: TableName) -> list[str]:
    where = f"database_name = current_database() and schema_name = {literal(name.schema)}"
    table = cursor.execute(
        f"select comment from duckdb_views() where {where} and view_name = {literal(name.name)}"
    ).fetchone()
    columns = cursor.execute(
        f"select column_name, comment from duckdb_columns() where {where} and table_name = {literal(name.name)}"
        " and comment is not null"
    ).fetchall()
    own = f"{_CATALOG}.{name.sql}"
    told = [f"comment on table {own} is {literal(table[0])}"] if table and table[0] else []
    return told + [f"comment on column {own}.{quoted(column)} is {literal(comment)}" for column, comment in columns]


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let the new name of the file outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
