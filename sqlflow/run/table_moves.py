"""Puts rows that lie aside in a target into its tables: all of a run in one transaction, with what says that it was done."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from sqlflow.core import events
from sqlflow.core.engine import Column, Engine, Session
from sqlflow.core.errors import BuildError, Problem, SqlflowError, TargetError
from sqlflow.core.events import Listener
from sqlflow.core.failpoints import point
from sqlflow.core.names import literal, quoted
from sqlflow.run import exported
from sqlflow.run.fitting import given_as
from sqlflow.run.publish import once, set_aside
from sqlflow.run.table_exports import Staged, has_same_columns
from sqlflow.run.target import Held


def put_in_place(staged: Sequence[Staged], held: Held, tell: Listener) -> None:
    """Put the rows into the tables of a target. Raise BuildError or TargetError, at an export's place, if that cannot be.

    Nothing has changed then; the next build tries again.
    """
    run, environment = held.lease.owner, held.lease.environment
    tables = [one.table for one in staged]

    def change(session: Session) -> None:
        for one in staged:
            for statement in _statements(one, held.project.target.engine):
                session.execute(statement)
            if one.taken is not None:
                exported.forget(session, environment, one.table)
            if one.there is None:
                exported.forget(session, environment, one.table)
            exported.record(
                session, environment, one.table, one.block.name, one.export.mode, one.version, run
            )  # fmt: skip

    point("export")
    try:
        with closing(held.connection.session(run)) as session:
            once(
                held.connection, session, held.project, held.lease, change,
                lambda fresh: exported.is_recorded(fresh, environment, tables, run),
            )  # fmt: skip
    except SqlflowError as error:
        kind = TargetError if isinstance(error, TargetError) else BuildError
        hint = "what was published stays; the next build exports it"
        listed = ", ".join(f"`{one.table}`" for one in staged)
        raise kind(
            Problem(
                f"`export` to {listed} in `{held.project.target.name}`: {found.message}", staged[0].export.place, hint
            )
            for found in error.problems
        ) from error
    point("exported")
    for one in staged:
        tell(events.Exported(run, str(one.block.name), one.shown, one.rows))


def _statements(one: Staged, engine: Engine) -> Iterator[str]:
    """Yield what puts the rows into the table and drops what lay aside."""
    table = one.table.sql
    if one.taken is not None:
        yield set_aside(one.taken)
    if one.there is None or (one.export.mode == "replace" and not has_same_columns(one)):
        yield f"create schema if not exists {quoted(one.table.schema)}"
        if one.there is not None:
            yield f"drop table {table}"
        yield f"create table {table} as select * from {one.aside.sql}"
        comment = exported.comment_of(one.block.config.description, one.block.name, one.origin)
        yield f"comment on table {table} is {literal(comment)}"
        yield from engine.analyzed(one.table, {})
    elif one.export.mode == "replace":
        yield f"delete from {table}"
        yield _inserted(one, one.there, engine)
        yield from engine.analyzed(one.table, {})
    elif one.export.mode == "append":
        yield _inserted(one, one.there, engine)
    else:
        yield from _upserted(one, one.there, engine)
    yield f"drop table {one.aside.sql}"


def _inserted(one: Staged, there: Sequence[Column], engine: Engine, where: str = "") -> str:
    return f"insert into {one.table.sql} ({', '.join(_names(one, there))}) select * from {_rows(one, there, engine)}{where}"


def _upserted(one: Staged, there: Sequence[Column], engine: Engine) -> Iterator[str]:
    """Yield the update of the rows whose key is there, as far as they differ, and the insert of the others."""
    keys = {name.lower() for name in one.export.key}
    names = dict(zip((column.name.lower() for column in one.columns), _names(one, there), strict=True))
    same = " and ".join(f"there.{names[key]} = aside.{names[key]}" for key in sorted(keys))
    others = [written for name, written in names.items() if name not in keys]
    if others:
        changes = ", ".join(f"{name} = aside.{name}" for name in others)
        differs = " or ".join(f"there.{name} is distinct from aside.{name}" for name in others)
        only = f" and ({differs})" if _are_comparable(there, engine) else ""
        yield f"update {one.table.sql} as there set {changes} from {_rows(one, there, engine)} where {same}{only}"
    absent = f" where not exists (select 1 from {one.table.sql} as there where {same})"
    yield _inserted(one, there, engine, absent)


def _are_comparable(columns: Sequence[Column], engine: Engine) -> bool:
    """Tell whether all columns can be compared: `json` of Postgres cannot."""
    return all(engine.type_name(column.type) != "json" for column in columns)


def _names(one: Staged, there: Sequence[Column]) -> list[str]:
    """Return the names that the block's columns have in the table, in the block's order."""
    written = {column.name.lower(): quoted(column.name) for column in there}
    return [written[column.name.lower()] for column in one.columns]


def _rows(one: Staged, there: Sequence[Column], engine: Engine) -> str:
    """Return the rows that lie aside as the table `aside`, with the names and types that they have in the table."""
    kinds = {column.name.lower(): column.type for column in there}
    given = (given_as(column, kinds[column.name.lower()], engine) for column in one.columns)
    selected = ", ".join(f"{value} as {name}" for value, name in zip(given, _names(one, there), strict=True))
    return f"(select {selected} from {one.aside.sql}) as aside"
