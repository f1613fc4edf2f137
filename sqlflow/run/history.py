"""What each publish has replaced, so that it can be taken back: one row of the state for each relation that it changed.

A publish writes its rows in its own transaction, and taking it back removes them: what is left is a stack. The rows of the
latest publish of an environment keep the versions that it has replaced from being dropped.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from sqlflow.core.engine import Session
from sqlflow.core.environment import Environment
from sqlflow.core.names import TableName, literal
from sqlflow.plan.versions import STATE_SCHEMA
from sqlflow.run.state import of, table_of, values

TABLE = table_of("sqlflow_replaced")
_RUNS = table_of("sqlflow_runs")


class Publish(Struct, frozen=True):
    """The latest publish of an environment that can be taken back: what showed each block before, None for nothing, and in which look."""

    run: str
    published_at: datetime
    before: dict[TableName, TableName | None]
    looks: dict[TableName, str]


def remember(
    session: Session, environment: Environment, run: str, blocks: Iterable[TableName],
    shown: Mapping[TableName, tuple[TableName, str]],
) -> None:  # fmt: skip
    """Keep in the publishing transaction what of all that is `shown` it is about to change: relations, and their looks."""
    before = {name: (shown[name][0].name, shown[name][1]) if name in shown else ("", "") for name in blocks}
    rows = ", ".join(values(environment.name, run, name.schema, name.name, *before[name]) for name in sorted(before))
    if rows:
        session.execute(f"insert into {TABLE} values {rows}")


def latest(session: Session, environment: Environment) -> Publish | None:
    """Return the latest publish that has not been taken back; None if there is none, or if it is too long ago."""
    run = _latest(of(environment))
    found = session.rows(f"select run, published_at from {_RUNS} where run = ({run})").rows
    if not found:
        return None
    rows = session.rows(
        f"select schema_name, name, relation, look from {TABLE} where {of(environment)} and run = {literal(found[0][0])}"
    ).rows
    before = {
        TableName(schema, name): TableName(STATE_SCHEMA, relation) if relation else None
        for schema, name, relation, _ in sorted(rows)
    }
    looks = {TableName(schema, name): look for schema, name, _, look in rows}
    name, published_at = found[0]
    return Publish(name, published_at, before, looks)


def _latest(condition: str) -> str:
    return (
        f"select run from {_RUNS} where {condition} and run in (select run from {TABLE}) order by sequence desc limit 1"
    )


def forget(session: Session, run: str) -> None:
    """Remove what a publish has replaced: it is taken back."""
    session.execute(f"delete from {TABLE} where run = {literal(run)}")


def older(oldest: str) -> str:
    """Return the condition for what was replaced before the time `oldest`."""
    return f"run in (select run from {_RUNS} where published_at < {literal(oldest)})"


def needed(session: Session, oldest: datetime) -> list[str]:
    """Return the relations that the latest publish of each environment has replaced, if that is no older than `oldest`."""
    environments = session.rows(f"select distinct environment from {TABLE}").rows
    found = [latest(session, Environment(name)) for (name,) in environments]
    young = [publish for publish in found if publish and publish.published_at >= oldest]
    return [relation.name for publish in young for relation in publish.before.values() if relation]
