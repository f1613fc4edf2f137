"""Which environments a target has, and taking one of them away."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from msgspec import Struct

from sqlflow.core.block import Project
from sqlflow.core.engine import Connection, Session
from sqlflow.core.environment import PROD
from sqlflow.core.errors import SqlflowError
from sqlflow.core.names import TableName, literal, quoted
from sqlflow.run import exported, history, state
from sqlflow.run.lease import Lease
from sqlflow.run.publish import committed
from sqlflow.run.state import table_of


class Listed(Struct, frozen=True):
    """An environment that shows something: how many relations, how many of them on a version of their own, and since when.

    `own` counts the versions that `prod` does not show; `run` is the last one that has published.
    """

    name: str
    relations: int
    own: int
    run: str
    published_at: datetime


def listed(session: Session) -> tuple[Listed, ...]:
    """Return the environments by name, `prod` first."""
    published, runs = table_of("sqlflow_published"), table_of("sqlflow_runs")
    found = session.rows(
        "with latest as (select environment, run, published_at,"
        f" row_number() over (partition by environment order by sequence desc) as number from {runs})"
        f" select shown.environment, count(*), count(*) - count(prod.relation), latest.run, latest.published_at"
        f" from {published} as shown join latest on latest.environment = shown.environment and latest.number = 1"
        f" left join {published} as prod on prod.environment = {literal(PROD.name)}"
        " and prod.schema_name = shown.schema_name and prod.name = shown.name and prod.relation = shown.relation"
        " group by shown.environment, latest.run, latest.published_at"
    )
    environments = (Listed(*row) for row in found.rows)
    return tuple(sorted(environments, key=lambda item: (item.name != PROD.name, item.name)))


def drop(connection: Connection, session: Session, project: Project, lease: Lease) -> tuple[TableName, ...]:
    """Take the lease's environment away, and return its relations that were dropped.

    Those are views, and the tables that exports have made. What somebody else has put in the place of one stays. Versions stay
    until they are swept.
    """
    environment = lease.environment
    shown = sorted(map(environment.relation, state.shown(connection, session, environment)))
    made = sorted(exported.made_in(connection, session, environment))

    def change(session: Session) -> None:
        for view in shown:
            session.execute(f"drop view {view.sql}")
        for table in made:
            session.execute(f"drop table {table.sql}")
        for known in (table_of("sqlflow_published"), history.TABLE, exported.TABLE):
            session.execute(f"delete from {known} where {state.of(environment)}")

    committed(connection, session, project, lease, change)
    _drop_empty({relation.schema for relation in (*shown, *made)}, connection, session)
    return (*shown, *made)


def _drop_empty(schemas: Iterable[str], connection: Connection, session: Session) -> None:
    """Drop the schemas in which nothing is left: one that holds anything else is refused by the engine, and stays."""
    for schema in sorted(schemas):
        with suppress(SqlflowError):
            if not connection.relations([schema]):
                session.execute(f"drop schema {quoted(schema)}")
