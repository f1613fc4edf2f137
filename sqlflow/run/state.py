"""The state in the target: what was built, what is published, what failed. SQL that every engine understands.

    sqlflow_state      one row: the form of these tables
    sqlflow_runs       one row for each run that has published: the mark that says its COMMIT has happened
    sqlflow_versions   one row for each version that is there, and the key of what it was made from
    sqlflow_intervals  the intervals that versions of time ranges have, and the parts that hold them, see `run/ledger.py`
    sqlflow_recipes    how each version was made; again for each later state of its inputs for which it is still good
    sqlflow_contents   hashes of what versions hold, of the columns that were asked for
    sqlflow_checked    the keys of assertions that have passed
    sqlflow_published  one row for each block that an environment shows, the version behind it, and its look, see `run/looks.py`
    sqlflow_replaced   what each publish has replaced, one row for each block, see `run/history.py`
    sqlflow_exported   which versions of blocks of other targets have gone into which tables, see `run/exported.py`
    sqlflow_leases     one row for each environment: the run that may change it, see `run/lease.py`
    sqlflow_failures   the failing rows of the last runs, a few for each assertion

All times are UTC.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from sqlflow.core.engine import Connection, Relation, Rows, Session
from sqlflow.core.environment import PROD, Environment
from sqlflow.core.errors import StateError, StatementError, UsageError, did_you_mean
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.plan.current import Made
from sqlflow.plan.recipes import NO_ENTRIES, Entries, Entry
from sqlflow.plan.versions import STATE_SCHEMA, Key
from sqlflow.run.listing import Lists

FORM = 8
_FORM_OF_RECIPES = 3
FORM_OF_ENVIRONMENTS = 4
TABLES = {
    "sqlflow_state": "form integer",
    "sqlflow_runs": "run text, environment text, sequence integer, project text, published_at timestamp",
    "sqlflow_versions": "relation text, block text, kind text, key text, code text, reads text, run text, inputs text,"
    " built_at timestamp",
    "sqlflow_intervals": "relation text, part text, starts_at timestamp, ends_at timestamp",
    "sqlflow_recipes": "relation text, block text, key text, code text, recipe text, run text, built_at timestamp",
    "sqlflow_contents": "relation text, columns text, content text",
    "sqlflow_checked": "key text, run text",
    "sqlflow_published": "environment text, schema_name text, name text, relation text, look text, run text",
    "sqlflow_replaced": "environment text, run text, schema_name text, name text, relation text, look text",
    "sqlflow_exported": "environment text, schema_name text, name text, block text, mode text, version text, run text,"
    " exported_at timestamp",
    "sqlflow_leases": "environment text, run text, host text, pid integer, since timestamp, heartbeat timestamp,"
    " sequence integer",
    "sqlflow_failures": "run text, block text, assertion text, severity text, failing bigint, columns text, sample text,"
    " error text, checked_at timestamp, environment text",
}
_ADDED = {
    "sqlflow_failures": f"environment text default {literal(PROD.name)}",
    "sqlflow_replaced": "look text default ''",
}
"""The columns that tables of an older form do not have."""
PART = "part"
"""The kind of what is no version of its own, but holds rows of some."""


class Version(Struct, frozen=True):
    """One immutable result, and what it was made from: a key, and the relations in the state schema (`inputs`)."""

    relation: TableName
    block: str
    kind: str
    key: Key
    run: str
    inputs: tuple[str, ...]


def table_of(name: str) -> str:
    """Return a table of the state as SQL names it."""
    return f"{quoted(STATE_SCHEMA)}.{quoted(name)}"


LEASES = table_of("sqlflow_leases")


def of(environment: Environment) -> str:
    """Return the condition for the rows of an environment."""
    return f"environment = {literal(environment.name)}"


def now() -> str:
    """Return the time in UTC as text without zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def values(*row: Any) -> str:
    """Return a row as it stands behind `insert into … values`."""
    return "(" + ", ".join(literal(value) for value in row) + ")"


def exists(connection: Lists) -> bool:
    """Tell whether the target has a state of ours."""
    return any(relation.name.name == "sqlflow_state" for relation in connection.relations([STATE_SCHEMA]))


def form(session: Session) -> int:
    """Return the form of the state that is there. Raise StateError for one that this sqlflow cannot use."""
    found = session.rows(f"select form from {table_of('sqlflow_state')}").rows
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
            for name, columns in TABLES.items():
                session.execute(f"create table if not exists {table_of(name)} ({columns})")
            for name, column in _ADDED.items():
                session.execute(f"alter table {table_of(name)} add column if not exists {column}")
            session.execute(f"delete from {table_of('sqlflow_state')}")
            session.execute(f"insert into {table_of('sqlflow_state')} values ({FORM})")
            if not session.rows(f"select 1 from {LEASES}").rows:
                session.execute(f"insert into {LEASES} values ({literal(PROD.name)}, '', '', 0, null, null, 0)")
    except StatementError:  # another build may have made it in this moment
        if not exists(connection) or form(session) != FORM:
            raise


def published(session: Session, environment: Environment) -> dict[TableName, TableName]:
    """Return the relation behind each block that is published."""
    found = session.rows(
        f"select schema_name, name, relation from {table_of('sqlflow_published')} where {of(environment)}"
    )
    return {TableName(schema, name): TableName(STATE_SCHEMA, relation) for schema, name, relation in found.rows}


def refuse_unknown(connection: Connection, session: Session, environment: Environment) -> None:
    """Raise UsageError if the environment shows nothing."""
    known = known_environments(connection, session)
    if environment.name not in known:
        raise unknown(environment, known)


def known_environments(connection: Connection, session: Session) -> list[str]:
    """Return the names of the environments that show something."""
    query = f"select distinct environment from {table_of('sqlflow_published')}"
    return [name for (name,) in session.rows(query).rows] if exists(connection) else []


def unknown(environment: Environment, known: Iterable[str]) -> UsageError:
    """Return the error for an environment that shows nothing."""
    if environment.is_prod:
        return UsageError("nothing has been published in `prod` yet", hint="run `sqlflow build`")
    hint = did_you_mean(environment.name, known) or f"`sqlflow build --env {environment.name}` makes it"
    return UsageError(f"there is no environment `{environment.name}`", hint=hint)


def shown_elsewhere(session: Session, environment: Environment) -> dict[TableName, str]:
    """Return the published relations of all other environments, each with its environment's name."""
    found = session.rows(
        f"select environment, schema_name, name from {table_of('sqlflow_published')} where not {of(environment)}"
    )
    return {Environment(other).relation(TableName(schema, name)): other for other, schema, name in found.rows}


def made(
    connection: Lists, session: Session, environment: Environment, published_here: Mapping[TableName, TableName]
) -> tuple[Made, ...]:  # fmt: skip
    """Return the versions that are there with all that they need, the newest last; behind them those that `prod` shows,
    and those that the environment shows.
    """
    there = {relation.name.name for relation in connection.relations([STATE_SCHEMA]) if not relation.is_lost}
    found = session.rows(
        f"select relation, key, code, reads, inputs from {table_of('sqlflow_versions')}"
        f" where kind <> {literal(PART)} order by built_at"
    )
    own = {relation.name for relation in published_here.values()}
    prod = own if environment.is_prod else {relation.name for relation in published(session, PROD).values()}
    for relation, *_, inputs in found.rows:
        if not there.issuperset(msgspec.json.decode(inputs)):
            there.discard(relation)
    rows = sorted(found.rows, key=lambda row: (row[0] in own, row[0] in prod))
    return tuple(
        Made(TableName(STATE_SCHEMA, relation), key, code, msgspec.json.decode(reads))
        for relation, key, code, reads, _ in rows
        if relation in there
    )


def recipes(session: Session, form: int, versions: Iterable[Made]) -> Entries:
    """Return how the given versions were made. A state of an older form knows nothing of that.

    The texts are asked of the session, as long as nothing else is asked of it and nothing has changed.
    """
    if form < _FORM_OF_RECIPES:
        return NO_ENTRIES
    good = {made.relation.name for made in versions}

    def asked(columns: str) -> Iterator[tuple[Any, ...]]:
        found = session.rows(f"select {columns} from {table_of('sqlflow_recipes')} order by built_at")
        return (row for row in found.rows if row[0] in good)

    keys = ((key, relation) for relation, key in asked("relation, key") if key)
    return Entries(keys, lambda: (Entry(*row) for row in asked("relation, block, key, code, recipe")))


def record_recipes(session: Session, entries: Sequence[tuple[Entry, str]]) -> None:
    """Keep how versions were made, each with the run that found it out."""
    rows = ", ".join(
        values(entry.relation, entry.block, entry.key, entry.code, entry.text, run, now()) for entry, run in entries
    )
    if rows:
        session.execute(f"insert into {table_of('sqlflow_recipes')} values {rows}")


def content(session: Session, relation: TableName, columns: str, query: str | None) -> str:
    """Return the hash of what a version holds in the given columns; it is asked of the engine once and then kept.

    Without a query, what is not kept is empty.
    """
    table, where = table_of("sqlflow_contents"), f"relation = {literal(relation.name)} and columns = {literal(columns)}"
    known = session.rows(f"select content from {table} where {where}").rows
    if known:
        return str(known[0][0])
    if query is None:
        return ""
    found = " ".join(map(str, session.rows(query).rows[0]))
    session.execute(f"insert into {table} values " + values(relation.name, columns, found))
    return found


def checked(session: Session) -> frozenset[str]:
    """Return the keys of assertions that have passed."""
    return frozenset(key for (key,) in session.rows(f"select key from {table_of('sqlflow_checked')}").rows)


def record_checked(session: Session, keys: Iterable[str], run: str) -> None:
    """Remember that assertions have passed."""
    rows = ", ".join(values(key, run) for key in sorted(set(keys)))
    if rows:
        session.execute(f"insert into {table_of('sqlflow_checked')} values {rows}")


def looks(session: Session, environment: Environment) -> dict[TableName, tuple[TableName, str]]:
    """Return the relation behind each published block, and the look that it was given."""
    columns = "schema_name, name, relation, look"
    found = session.rows(f"select {columns} from {table_of('sqlflow_published')} where {of(environment)}")
    return {
        TableName(schema, name): (TableName(STATE_SCHEMA, relation), look)
        for schema, name, relation, look in found.rows
    }


def shown(connection: Lists, session: Session, environment: Environment) -> dict[TableName, TableName]:
    """Return the relation behind each published block whose view is still there, as we made it."""
    return still_shown(connection, published(session, environment), environment)


def still_shown(
    connection: Lists, rows: Mapping[TableName, TableName], environment: Environment
) -> dict[TableName, TableName]:
    """Return those of the published blocks whose view is still there, as we made it."""
    schemas = sorted({environment.relation(name).schema for name in rows})
    there = {relation.name: relation for relation in connection.relations(schemas)}
    return {name: behind for name, behind in rows.items() if _is_ours(there.get(environment.relation(name)), behind)}


def read_from(
    connection: Lists, session: Session, environment: Environment, own: dict[TableName, TableName] | None = None
) -> dict[TableName, TableName]:
    """Return the relation that each block is read from where it is not built: the environment's own, else that of `prod`.

    `own` is what the environment shows, where that is known already.
    """
    own = shown(connection, session, environment) if own is None else own
    return own if environment.is_prod else shown(connection, session, PROD) | own


def _is_ours(relation: Relation | None, behind: TableName) -> bool:
    """Tell whether a relation is still the view that we made."""
    return relation is not None and relation.kind == "view" and behind.name in relation.definition


def record_versions(session: Session, versions: Sequence[Version]) -> None:
    """Keep that versions are there, and what they were made from."""
    rows = ", ".join(
        values(
            version.relation.name, version.block, version.kind, version.key.text or version.relation.name,
            version.key.code, json.dumps(dict(version.key.inputs)), version.run, json.dumps(version.inputs), now(),
        )
        for version in versions
    )  # fmt: skip
    if rows:
        session.execute(f"insert into {table_of('sqlflow_versions')} values {rows}")


def built_at(session: Session) -> dict[TableName, Any]:
    """Return when each version was built."""
    found = session.rows(f"select relation, built_at from {table_of('sqlflow_versions')}")
    return {TableName(STATE_SCHEMA, relation): time for relation, time in found.rows}


def is_recorded(session: Session, relation: TableName) -> bool:
    """Tell whether a version is there."""
    found = session.rows(f"select 1 from {table_of('sqlflow_versions')} where relation = {literal(relation.name)}")
    return bool(found.rows)


def inputs_of(session: Session, relation: TableName) -> tuple[str, ...]:
    """Return the relations in the state schema that a version needs."""
    found = session.rows(f"select inputs from {table_of('sqlflow_versions')} where relation = {literal(relation.name)}")
    return tuple(json.loads(found.rows[0][0])) if found.rows else ()


def mark(session: Session, environment: Environment, run: str, project: str) -> None:
    """Say in the publishing transaction that the run has published."""
    table = table_of("sqlflow_runs")
    session.execute(
        f"insert into {table} select {literal(run)}, {literal(environment.name)}, coalesce(max(sequence), 0) + 1,"
        f" {literal(project)}, {literal(now())} from {table} where {of(environment)}"
    )


def latest(session: Session, environment: Environment) -> str:
    """Return the run that was the last to publish; empty if there was none."""
    found = session.rows(
        f"select run from {table_of('sqlflow_runs')} where {of(environment)} order by sequence desc limit 1"
    )
    return str(found.rows[0][0]) if found.rows else ""


def is_marked(session: Session, run: str) -> bool:
    """Tell whether the run's publishing has been committed."""
    found: Rows = session.rows(f"select 1 from {table_of('sqlflow_runs')} where run = {literal(run)}")
    return bool(found.rows)


def show(
    session: Session, environment: Environment, shown: Mapping[TableName, tuple[TableName, str]], run: str
) -> None:
    """Record by which relation each block is shown now, and the look that it was given."""
    hide(session, environment, shown)
    rows = ", ".join(
        values(environment.name, block.schema, block.name, relation.name, look, run)
        for block, (relation, look) in shown.items()
    )
    if rows:
        session.execute(f"insert into {table_of('sqlflow_published')} values {rows}")


def hide(session: Session, environment: Environment, blocks: Iterable[TableName]) -> None:
    """Record that blocks are not published any more."""
    names = ", ".join(values(block.schema, block.name) for block in blocks)
    if names:
        session.execute(
            f"delete from {table_of('sqlflow_published')} where {of(environment)} and (schema_name, name) in ({names})"
        )


def names_of(relations: Sequence[TableName]) -> tuple[str, ...]:
    """Return the names of the relations that lie in the state schema."""
    return tuple(sorted(relation.name for relation in relations if relation.schema == STATE_SCHEMA))
