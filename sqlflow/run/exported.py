"""What exports have put into tables of a target: rows of its state, written with the rows that they tell of.

A table that an export has made has a comment that says so. Only with both, the comment and the rows of the state, it is
taken for one that sqlflow may empty or drop: somebody else may have put a table of his own in its place.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sqlflow.core.engine import Relation, Session
from sqlflow.core.environment import Environment
from sqlflow.core.names import TableName, literal
from sqlflow.run import state
from sqlflow.run.listing import Lists

MARK = "exported by sqlflow"
TABLE = state.table_of("sqlflow_exported")
_FORM = 7
"""The first form of the state that has the table."""


class Into(Struct, frozen=True):
    """A table as an export finds it, None if it is not there; `entries` are the versions and modes, the latest last."""

    relation: Relation | None = None
    entries: tuple[tuple[str, str], ...] = ()

    @property
    def is_ours(self) -> bool:
        """Tell whether it is a table that an export has made."""
        return self.relation is not None and MARK in self.relation.comment and bool(self.entries)

    def holds(self, version: str, mode: str) -> bool:
        """Tell whether the rows of a version have gone into it already.

        >>> orders = Into(Relation(TableName("marts", "orders"), "table"), (("one", "append"), ("two", "append")))
        >>> orders.holds("one", "append"), orders.holds("two", "replace"), Into().holds("one", "append")
        (True, False, False)
        """
        if self.relation is None:
            return False
        if mode == "append":
            return any(entry == version for entry, _ in self.entries)
        return self.entries[-1:] == ((version, mode),)


def found(
    connection: Lists, session: Session, environment: Environment, tables: Iterable[TableName]
) -> Mapping[TableName, Into]:
    """Return the tables as they are, by the names that they have in the environment."""
    wanted = sorted(set(tables))
    schemas = sorted({table.schema for table in wanted})
    there = {relation.name: relation for relation in connection.relations(schemas)}
    entries: dict[TableName, tuple[tuple[str, str], ...]] = {}
    if wanted and state.exists(connection) and state.form(session) >= _FORM:
        rows = session.rows(
            f"select schema_name, name, version, mode from {TABLE} where {state.of(environment)}"
            f" and (schema_name, name) in ({_listed(wanted)}) order by exported_at"
        ).rows
        for schema, name, version, mode in rows:
            table = TableName(schema, name)
            entries[table] = (*entries.get(table, ()), (version, mode))
    return {table: Into(there.get(table), entries.get(table, ())) for table in wanted}


def record(
    session: Session, environment: Environment, table: TableName, block: TableName, mode: str, version: str, run: str
) -> None:  # fmt: skip
    """Say, in the transaction that puts the rows of a version into a table, that they are in it.

    What is known of a table that holds nothing else any more is forgotten; so is the upsert before this one.
    """
    outdated = {"replace": "", "upsert": " and mode = 'upsert'"}
    if mode in outdated:
        session.execute(f"delete from {TABLE} where {_of(environment, table)}{outdated[mode]}")
    row = state.values(
        environment.name, table.schema, table.name, str(block), mode, version, run, state.now()
    )  # fmt: skip
    session.execute(f"insert into {TABLE} values {row}")


def forget(session: Session, environment: Environment, table: TableName) -> None:
    """Forget what is known of a table that is not there any more."""
    session.execute(f"delete from {TABLE} where {_of(environment, table)}")


def is_recorded(session: Session, environment: Environment, tables: Iterable[TableName], run: str) -> bool:
    """Tell whether a run has put rows into each of the tables."""
    wanted = sorted(set(tables))
    count = session.rows(
        f"select count(*) from {TABLE} where {state.of(environment)} and run = {literal(run)}"
        f" and (schema_name, name) in ({_listed(wanted)})"
    ).rows[0][0]
    return int(count) == len(wanted)


def made_in(connection: Lists, session: Session, environment: Environment) -> list[TableName]:
    """Return the tables that exports have made in an environment and that are still there."""
    rows = session.rows(f"select distinct schema_name, name from {TABLE} where {state.of(environment)}").rows
    every = found(connection, session, environment, (TableName(*row) for row in rows))
    return [table for table, into in every.items() if into.is_ours]


def latest(session: Session, environment: Environment) -> str:
    """Return the run that was the last to put rows into a table; empty if there was none."""
    return str(session.rows(f"select coalesce(max(run), '') from {TABLE} where {state.of(environment)}").rows[0][0])


def comment_of(description: str, block: TableName, target: str) -> str:
    """Return the comment of a table that is made by an export."""
    return f"{description}\n\n{MARK}: `{block}` of `{target}`".strip()


def _of(environment: Environment, table: TableName) -> str:
    return f"{state.of(environment)} and schema_name = {literal(table.schema)} and name = {literal(table.name)}"


def _listed(tables: Iterable[TableName]) -> str:
    return ", ".join(state.values(table.schema, table.name) for table in tables)
