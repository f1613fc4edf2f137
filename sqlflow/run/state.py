"""The state in the target: what was built, what is published, what failed. SQL that every engine understands.

    sqlflow_state      one row: the form of these tables
    sqlflow_runs       one row for each run that has published: the mark that says its COMMIT has happened
    sqlflow_versions   one row for each version that is there
    sqlflow_published  one row for each relation that is shown, and the version behind it
    sqlflow_failures   the failing rows of the last runs, a few for each assertion

All times are UTC.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlflow.core.engine import Connection, Relation, Rows, Session
from sqlflow.core.errors import StateError, StatementError
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.plan.versions import STATE_SCHEMA

FORM = 1
ENVIRONMENT = "prod"
_TABLES = {
    "sqlflow_state": "form integer",
    "sqlflow_runs": "run text, environment text, sequence integer, project text, published_at timestamp",
    "sqlflow_versions": "relation text, block text, kind text, fingerprint text, run text, inputs text, built_at timestamp",
    "sqlflow_published": "environment text, schema_name text, name text, relation text, run text",
    "sqlflow_failures": "run text, block text, assertion text, severity text, failing bigint, columns text, sample text,"
    " error text, checked_at timestamp",
}
_RUNS_OF_FAILURES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable result. `inputs` are the relations in the state schema that it was made from."""

    relation: TableName
    block: str
    kind: str
    fingerprint: str
    run: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """What an assertion found: how many rows, and some of them as text."""

    run: str
    block: str
    assertion: str
    severity: str
    failing: int
    columns: tuple[str, ...]
    sample: tuple[tuple[Any, ...], ...]
    error: str = ""


def _table(name: str) -> str:
    return f"{quoted(STATE_SCHEMA)}.{quoted(name)}"


def now() -> str:
    """Return the time in UTC as text without zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _values(*values: Any) -> str:
    return "(" + ", ".join(literal(value) for value in values) + ")"


def exists(connection: Connection) -> bool:
    """Tell whether the target has a state of ours."""
    return any(relation.name.name == "sqlflow_state" for relation in connection.relations([STATE_SCHEMA]))


def ensure(connection: Connection, session: Session) -> None:
    """Make the state's tables where they are not there. Raise StateError for a state of a newer sqlflow."""
    if exists(connection):
        found = session.rows(f"select form from {_table('sqlflow_state')}").rows
        if found != ((FORM,),):
            form = found[0][0] if found else "none"
            hint = "use the sqlflow that made it, or a newer one"
            raise StateError(f"the state in `{STATE_SCHEMA}` has the form {form}, this sqlflow knows {FORM}", hint=hint)
        return
    with session.transaction():
        session.execute(f"create schema if not exists {quoted(STATE_SCHEMA)}")
        for name, columns in _TABLES.items():
            session.execute(f"create table if not exists {_table(name)} ({columns})")
        session.execute(f"insert into {_table('sqlflow_state')} values ({FORM})")


def published(session: Session) -> dict[TableName, TableName]:
    """Return the relation behind each published name."""
    found = session.rows(
        f"select schema_name, name, relation from {_table('sqlflow_published')} where environment = {literal(ENVIRONMENT)}"
    )
    return {TableName(schema, name): TableName(STATE_SCHEMA, relation) for schema, name, relation in found.rows}


def is_ours(relation: Relation, shown: Mapping[TableName, TableName]) -> bool:
    """Tell whether sqlflow made a relation: the state says so, and it is still the view that we made."""
    behind = shown.get(relation.name)
    return behind is not None and relation.kind == "view" and behind.name in relation.definition


def record_version(session: Session, version: Version) -> None:
    session.execute(
        f"insert into {_table('sqlflow_versions')} values "
        + _values(
            version.relation.name, version.block, version.kind, version.fingerprint, version.run,
            json.dumps(version.inputs), now(),
        )
    )  # fmt: skip


def record_failure(session: Session, failure: Failure) -> None:
    """Keep what an assertion found; the failures of older runs go."""
    sample = [[_as_text(value) for value in row] for row in failure.sample]
    session.execute(
        f"insert into {_table('sqlflow_failures')} values "
        + _values(
            failure.run, failure.block, failure.assertion, failure.severity, failure.failing,
            json.dumps(failure.columns), json.dumps(sample), failure.error, now(),
        )
    )  # fmt: skip


def _as_text(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers and Booleans as they are, all else as text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)


def forget_old_failures(session: Session) -> None:
    """Drop the failures of all but the latest runs. Run ids sort by time."""
    table = _table("sqlflow_failures")
    session.execute(
        f"delete from {table} where run not in "
        f"(select distinct run from {table} order by run desc limit {_RUNS_OF_FAILURES_KEPT})"
    )


def failures(session: Session, block: str = "") -> tuple[Failure, ...]:
    """Return what failed in the latest run that had failures, of one block or of all."""
    where = f"run = (select max(run) from {_table('sqlflow_failures')})"
    if block:
        where += f" and block = {literal(block)}"
    found = session.rows(
        "select run, block, assertion, severity, failing, columns, sample, error"
        f" from {_table('sqlflow_failures')} where {where} order by block, assertion"
    )
    return tuple(
        Failure(run, block, name, severity, failing, tuple(json.loads(columns)), _rows(sample), error)
        for run, block, name, severity, failing, columns, sample, error in found.rows
    )


def _rows(sample: str) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in json.loads(sample))


def mark(session: Session, run: str, project: str) -> None:
    """Say in the publishing transaction that the run has published."""
    table = _table("sqlflow_runs")
    session.execute(
        f"insert into {table} select {literal(run)}, {literal(ENVIRONMENT)}, coalesce(max(sequence), 0) + 1,"
        f" {literal(project)}, {literal(now())} from {table} where environment = {literal(ENVIRONMENT)}"
    )


def is_marked(session: Session, run: str) -> bool:
    """Tell whether the run's publishing has been committed."""
    found: Rows = session.rows(f"select 1 from {_table('sqlflow_runs')} where run = {literal(run)}")
    return bool(found.rows)


def show(session: Session, name: TableName, relation: TableName, run: str) -> None:
    """Record that `name` now shows `relation`."""
    hide(session, name)
    session.execute(
        f"insert into {_table('sqlflow_published')} values "
        + _values(ENVIRONMENT, name.schema, name.name, relation.name, run)
    )


def hide(session: Session, name: TableName) -> None:
    """Record that `name` is not published any more."""
    session.execute(
        f"delete from {_table('sqlflow_published')} where environment = {literal(ENVIRONMENT)}"
        f" and schema_name = {literal(name.schema)} and name = {literal(name.name)}"
    )


def needed(session: Session) -> frozenset[str]:
    """Return the relations that published names show, and all that those are made from."""
    found = session.rows(f"select relation, inputs from {_table('sqlflow_versions')}")
    inputs = {relation: tuple(json.loads(names)) for relation, names in found.rows}
    shown = [relation for (relation,) in session.rows(f"select relation from {_table('sqlflow_published')}").rows]
    kept: set[str] = set()
    while shown:
        relation = shown.pop()
        if relation not in kept:
            kept.add(relation)
            shown += inputs.get(relation, ())
    return frozenset(kept)


def sweep(connection: Connection, session: Session, keep: Iterable[str] = ()) -> tuple[str, ...]:
    """Drop the versions that nothing shows, views first, and return their names.

    What cannot be dropped, because somebody else's view reads it, stays.
    """
    kept = needed(session) | set(keep)
    gone = []
    relations = [relation for relation in connection.relations([STATE_SCHEMA]) if relation.name.name not in _TABLES]
    for relation in sorted(relations, key=lambda relation: relation.kind != "view"):
        name = relation.name.name
        if name in kept:
            continue
        try:
            with session.transaction():
                session.execute(f"drop {relation.kind} {relation.name.sql}")
                session.execute(f"delete from {_table('sqlflow_versions')} where relation = {literal(name)}")
        except StatementError:
            continue
        gone.append(name)
    return tuple(gone)


def names_of(relations: Sequence[TableName]) -> tuple[str, ...]:
    """Return the names of the relations that lie in the state schema."""
    return tuple(sorted(relation.name for relation in relations if relation.schema == STATE_SCHEMA))
