"""The state in the target: what was built, what is published, what failed. SQL that every engine understands.

    sqlflow_state      one row: the form of these tables
    sqlflow_runs       one row for each run that has published: the mark that says its COMMIT has happened
    sqlflow_versions   one row for each version that is there, and the key of what it was made from
    sqlflow_recipes    how each version was made; again for each later state of its inputs for which it is still good
    sqlflow_contents   hashes of what versions hold, of the columns that were asked for
    sqlflow_checked    the keys of assertions that have passed
    sqlflow_published  one row for each relation that is shown, and the version behind it
    sqlflow_leases     one row: the run that may change the environment, see `run/lease.py`
    sqlflow_failures   the failing rows of the last runs, a few for each assertion

All times are UTC.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlflow.core.engine import Connection, Relation, Rows, Session
from sqlflow.core.errors import StateError, StatementError
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.core.secrets import masked
from sqlflow.plan.current import Made
from sqlflow.plan.recipes import Entry
from sqlflow.plan.versions import STATE_SCHEMA, Key

FORM = 3
ENVIRONMENT = "prod"
_TABLES = {
    "sqlflow_state": "form integer",
    "sqlflow_runs": "run text, environment text, sequence integer, project text, published_at timestamp",
    "sqlflow_versions": "relation text, block text, kind text, key text, code text, reads text, run text, inputs text,"
    " built_at timestamp",
    "sqlflow_recipes": "relation text, block text, key text, code text, recipe text, run text, built_at timestamp",
    "sqlflow_contents": "relation text, columns text, content text",
    "sqlflow_checked": "key text, run text",
    "sqlflow_published": "environment text, schema_name text, name text, relation text, look text, run text",
    "sqlflow_leases": "environment text, run text, host text, pid integer, since timestamp, heartbeat timestamp,"
    " sequence integer",
    "sqlflow_failures": "run text, block text, assertion text, severity text, failing bigint, columns text, sample text,"
    " error text, checked_at timestamp",
}
_RUNS_OF_FAILURES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable result, and what it was made from: a key, and the relations in the state schema (`inputs`)."""

    relation: TableName
    block: str
    kind: str
    key: Key
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


LEASES = _table("sqlflow_leases")


def now() -> str:
    """Return the time in UTC as text without zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _values(*values: Any) -> str:
    return "(" + ", ".join(literal(value) for value in values) + ")"


def exists(connection: Connection) -> bool:
    """Tell whether the target has a state of ours."""
    return any(relation.name.name == "sqlflow_state" for relation in connection.relations([STATE_SCHEMA]))


def form(session: Session) -> int:
    """Return the form of the state that is there. Raise StateError for one that this sqlflow cannot use."""
    found = session.rows(f"select form from {_table('sqlflow_state')}").rows
    if len(found) != 1:
        hint = f"the table `{STATE_SCHEMA}.sqlflow_state` must hold one row: put the target's backup back"
        raise StateError(f"the state in `{STATE_SCHEMA}` has lost its version", hint=hint)
    if found[0][0] > FORM:
        hint = "upgrade sqlflow: `pip install --upgrade sqlflow`"
        raise StateError(
            f"the state in `{STATE_SCHEMA}` is of a newer sqlflow: it has the form {found[0][0]}, this one knows {FORM}",
            hint=hint,
        )
    return int(found[0][0])


def ensure(connection: Connection, session: Session) -> None:
    """Make the state's tables where they are not there, and bring those of an older sqlflow up to date."""
    if exists(connection) and form(session) == FORM:
        return
    try:
        with session.transaction():
            session.execute(f"create schema if not exists {quoted(STATE_SCHEMA)}")
            for name, columns in _TABLES.items():
                session.execute(f"create table if not exists {_table(name)} ({columns})")
            session.execute(f"delete from {_table('sqlflow_state')}")
            session.execute(f"insert into {_table('sqlflow_state')} values ({FORM})")
            if not session.rows(f"select 1 from {LEASES}").rows:
                session.execute(f"insert into {LEASES} values ({literal(ENVIRONMENT)}, '', '', 0, null, null, 0)")
    except StatementError:  # another build may have made it in this moment
        if not exists(connection) or form(session) != FORM:
            raise


def published(session: Session) -> dict[TableName, TableName]:
    """Return the relation behind each published name."""
    found = session.rows(
        f"select schema_name, name, relation from {_table('sqlflow_published')} where environment = {literal(ENVIRONMENT)}"
    )
    return {TableName(schema, name): TableName(STATE_SCHEMA, relation) for schema, name, relation in found.rows}


def made(connection: Connection, session: Session) -> tuple[Made, ...]:
    """Return the versions that are there with all that they need, the newest last and those that are shown behind them."""
    there = {relation.name.name for relation in connection.relations([STATE_SCHEMA])}
    found = session.rows(
        f"select relation, key, code, reads, inputs from {_table('sqlflow_versions')} order by built_at"
    )
    shown = {relation.name for relation in published(session).values()}
    rows = sorted(found.rows, key=lambda row: row[0] in shown)
    return tuple(
        Made(TableName(STATE_SCHEMA, relation), key, code, json.loads(reads))
        for relation, key, code, reads, inputs in rows
        if relation in there and all(name in there for name in json.loads(inputs))
    )


def recipes(session: Session, versions: Iterable[Made]) -> tuple[Entry, ...]:
    """Return how the given versions were made, the latest last. An older state knows nothing of that."""
    if form(session) < FORM:
        return ()
    good = {made.relation.name for made in versions}
    found = session.rows(
        f"select relation, block, key, code, recipe from {_table('sqlflow_recipes')} order by built_at"
    )
    return tuple(Entry(*row) for row in found.rows if row[0] in good)


def record_recipe(session: Session, entry: Entry, run: str) -> None:
    session.execute(
        f"insert into {_table('sqlflow_recipes')} values "
        + _values(entry.relation, entry.block, entry.key, entry.code, entry.text, run, now())
    )


def content(session: Session, relation: TableName, columns: str, query: str) -> str:
    """Return the hash of what a version holds in the given columns; it is asked of the engine once and then kept."""
    table, where = _table("sqlflow_contents"), f"relation = {literal(relation.name)} and columns = {literal(columns)}"
    known = session.rows(f"select content from {table} where {where}").rows
    if known:
        return str(known[0][0])
    found = " ".join(map(str, session.rows(query).rows[0]))
    session.execute(f"insert into {table} values " + _values(relation.name, columns, found))
    return found


def checked(session: Session) -> frozenset[str]:
    """Return the keys of assertions that have passed."""
    return frozenset(key for (key,) in session.rows(f"select key from {_table('sqlflow_checked')}").rows)


def record_checked(session: Session, keys: Iterable[str], run: str) -> None:
    """Remember that assertions have passed."""
    rows = ", ".join(_values(key, run) for key in sorted(set(keys)))
    if rows:
        session.execute(f"insert into {_table('sqlflow_checked')} values {rows}")


def looks(session: Session) -> dict[TableName, str]:
    """Return what describes each published relation, as it was when it was published."""
    found = session.rows(
        f"select schema_name, name, look from {_table('sqlflow_published')} where environment = {literal(ENVIRONMENT)}"
    )
    return {TableName(schema, name): look for schema, name, look in found.rows}


def shown(connection: Connection, session: Session) -> dict[TableName, TableName]:
    """Return the relation behind each published name that is still there, as the view that we made."""
    rows = published(session)
    there = {relation.name: relation for relation in connection.relations(sorted({name.schema for name in rows}))}
    return {name: behind for name, behind in rows.items() if name in there and _is_ours(there[name], rows)}


def _is_ours(relation: Relation, shown: Mapping[TableName, TableName]) -> bool:
    """Tell whether sqlflow made a relation: the state says so, and it is still the view that we made."""
    behind = shown.get(relation.name)
    return behind is not None and relation.kind == "view" and behind.name in relation.definition


def record_version(session: Session, version: Version) -> None:
    session.execute(
        f"insert into {_table('sqlflow_versions')} values "
        + _values(
            version.relation.name, version.block, version.kind, version.key.text or version.relation.name,
            version.key.code, json.dumps(dict(version.key.inputs)), version.run, json.dumps(version.inputs), now(),
        )
    )  # fmt: skip


def is_recorded(session: Session, relation: TableName) -> bool:
    """Tell whether a version is there."""
    found = session.rows(f"select 1 from {_table('sqlflow_versions')} where relation = {literal(relation.name)}")
    return bool(found.rows)


def record_failure(session: Session, failure: Failure) -> None:
    """Keep what an assertion found; the failures of older runs go."""
    sample = [[_as_text(value) for value in row] for row in failure.sample]
    session.execute(
        f"insert into {_table('sqlflow_failures')} values "
        + _values(
            failure.run, failure.block, failure.assertion, failure.severity, failure.failing,
            json.dumps(failure.columns), json.dumps(sample), masked(failure.error), now(),
        )
    )  # fmt: skip


def _as_text(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers and Booleans as they are, all else as text without
    secrets."""
    if value is None or isinstance(value, (bool, int)):
        return value
    return masked(str(value))


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


def latest(session: Session) -> str:
    """Return the run that was the last to publish; empty if there was none."""
    found = session.rows(
        f"select run from {_table('sqlflow_runs')} where environment = {literal(ENVIRONMENT)} order by sequence desc limit 1"
    )
    return str(found.rows[0][0]) if found.rows else ""


def is_marked(session: Session, run: str) -> bool:
    """Tell whether the run's publishing has been committed."""
    found: Rows = session.rows(f"select 1 from {_table('sqlflow_runs')} where run = {literal(run)}")
    return bool(found.rows)


def show(session: Session, name: TableName, relation: TableName, look: str, run: str) -> None:
    """Record that `name` now shows `relation`; `look` tells whether its comments are as they should be."""
    hide(session, name)
    session.execute(
        f"insert into {_table('sqlflow_published')} values "
        + _values(ENVIRONMENT, name.schema, name.name, relation.name, look, run)
    )


def hide(session: Session, name: TableName) -> None:
    """Record that `name` is not published any more."""
    session.execute(
        f"delete from {_table('sqlflow_published')} where environment = {literal(ENVIRONMENT)}"
        f" and schema_name = {literal(name.schema)} and name = {literal(name.name)}"
    )


def sweep(connection: Connection, session: Session, keep: Iterable[str] = (), seconds: float = 0.0) -> tuple[str, ...]:
    """Drop the versions that nothing shows, views first, and return their names.

    Those of `keep` stay, those that may be used again and are younger than `seconds`, and all that any of these is made
    from. What cannot be dropped, because somebody else's view reads it, stays too. Assertions that have passed longer ago
    are forgotten: they run again.
    """
    kept = _needed(session, keep, seconds)
    gone = []
    relations = [relation for relation in connection.relations([STATE_SCHEMA]) if relation.name.name not in _TABLES]
    for relation in sorted(relations, key=lambda relation: relation.kind != "view"):
        name = relation.name.name
        if name in kept:
            continue
        try:
            with session.transaction():
                session.execute(f"drop {relation.kind} {relation.name.sql}")
                for table in ("sqlflow_versions", "sqlflow_recipes", "sqlflow_contents"):
                    session.execute(f"delete from {_table(table)} where relation = {literal(name)}")
        except StatementError:
            continue
        gone.append(name)
    if seconds:
        oldest = datetime.now(UTC) - timedelta(seconds=seconds)
        session.execute(f"delete from {_table('sqlflow_checked')} where run < {literal(f'{oldest:%Y%m%dT%H%M%S}')}")
        _forget_old_recipes(session, oldest)
    return tuple(gone)


def _forget_old_recipes(session: Session, oldest: datetime) -> None:
    """Drop the recipes that are older than `oldest`, but the latest of each version."""
    table, time = _table("sqlflow_recipes"), oldest.replace(tzinfo=None).isoformat(sep=" ")
    session.execute(
        f"delete from {table} where built_at < {literal(time)} and exists (select 1 from {table} as later"
        f" where later.relation = {table}.relation and later.built_at > {table}.built_at)"
    )


def _needed(session: Session, keep: Iterable[str], seconds: float) -> frozenset[str]:
    """Return the relations that stay, with all that they are made from."""
    found = session.rows(f"select relation, key, inputs, built_at from {_table('sqlflow_versions')}").rows
    inputs = {relation: tuple(json.loads(names)) for relation, _, names, _ in found}
    oldest = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
    young = [relation for relation, key, _, built_at in found if seconds and key != relation and built_at >= oldest]
    shown = [relation for (relation,) in session.rows(f"select relation from {_table('sqlflow_published')}").rows]
    waiting = [*shown, *young, *keep]
    kept: set[str] = set()
    while waiting:
        relation = waiting.pop()
        if relation not in kept:
            kept.add(relation)
            waiting += inputs.get(relation, ())
    return frozenset(kept)


def names_of(relations: Sequence[TableName]) -> tuple[str, ...]:
    """Return the names of the relations that lie in the state schema."""
    return tuple(sorted(relation.name for relation in relations if relation.schema == STATE_SCHEMA))
