"""Drops the versions that are not needed any more: what cannot be dropped now is dropped by a later run."""

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf

import msgspec

from sqlflow.core.engine import Connection, Relation, Session
from sqlflow.core.environment import Environment
from sqlflow.core.errors import BusyError, StatementError
from sqlflow.core.names import literal
from sqlflow.plan.versions import STATE_SCHEMA
from sqlflow.run import history
from sqlflow.run.lease import refuse_others
from sqlflow.run.listing import Lists
from sqlflow.run.state import TABLES, table_of

_LOCK_SECONDS = 0.5
"""How long to wait for a reader of a version that is to go."""


class _TimeIsOver(Exception):
    """Only inside this module: what is left is for a later run."""


def sweep(
    connection: Connection, session: Session, environment: Environment, keep: Iterable[str] = (), seconds: float = 0.0,
    at_most: float = inf,
) -> tuple[str, ...]:  # fmt: skip
    """Drop the versions that no environment shows, views first, for `at_most` so many seconds, and return their names.

    Those of `keep` stay, those that may be used again and are younger than `seconds`, those that a rollback would show and
    that were replaced later than that, and all that any of these is made from. What cannot be dropped, because somebody
    else's view reads it, or a reader has it now, stays too. While another environment is being built all stay: it may be
    about to use them. Versions that somebody has dropped are forgotten, and so are assertions that have passed longer ago:
    they run again.
    """
    (waiting, lost), end = _unneeded(connection, session, keep, seconds), time.monotonic() + at_most
    gone: list[str] = []
    with suppress(BusyError, _TimeIsOver):
        if lost:
            _forget_lost(connection, session, environment, lost)
        before = None
        while waiting != before:
            before = waiting
            waiting = [
                relation
                for relation in before
                if not _is_dropped(connection, session, environment, relation, gone, end)
            ]
    for table, condition in _outdated(seconds):
        session.execute(f"delete from {table} where {condition}")
    return tuple(gone)


def is_swept(connection: Lists, session: Session, keep: Iterable[str], seconds: float) -> bool:
    """Tell whether `sweep` would find nothing to drop and nothing to forget."""
    if any(_unneeded(connection, session, keep, seconds)):
        return False
    any_row = " or ".join(
        f"exists (select 1 from {table} where {condition})" for table, condition in _outdated(seconds)
    )
    return not (any_row and session.rows(f"select {any_row}").rows[0][0])


def _unneeded(
    connection: Lists, session: Session, keep: Iterable[str], seconds: float
) -> tuple[list[Relation], list[str]]:
    """Return the versions that nothing needs, views first, and the names of those that are recorded and not there.

    What is there is listed after the records were read: a version is recorded when it is there, never before.
    """
    recorded, needed = _recorded_and_needed(session, keep, seconds)
    there, kept = connection.relations([STATE_SCHEMA]), needed | TABLES.keys()
    found = [relation for relation in there if relation.name.name not in kept]
    lost = recorded - needed - {relation.name.name for relation in there}
    return sorted(found, key=lambda relation: relation.kind != "view"), sorted(lost)


def _is_dropped(
    connection: Connection, session: Session, environment: Environment, relation: Relation, gone: list[str], end: float
) -> bool:
    """Drop a version with all that is known of it, note its name in `gone`, and tell whether that could be done.

    Raise BusyError while another environment is being built, and when the monotonic clock has passed `end`.
    """
    if time.monotonic() >= end:
        raise _TimeIsOver
    try:
        with session.transaction(_LOCK_SECONDS):
            refuse_others(connection, session, environment)
            session.execute(f"drop {relation.kind} {relation.name.sql}")
            _forget(session, [relation.name.name])
    except StatementError:
        return False
    gone.append(relation.name.name)
    return True


def _forget(session: Session, names: Iterable[str]) -> None:
    """Forget all that is known of versions."""
    listed = ", ".join(map(literal, names))
    for table in ("sqlflow_versions", "sqlflow_recipes", "sqlflow_contents", "sqlflow_intervals"):
        session.execute(f"delete from {table_of(table)} where relation in ({listed})")


def _forget_lost(connection: Connection, session: Session, environment: Environment, names: Iterable[str]) -> None:
    """Forget versions that somebody has dropped; if that cannot be now, a later run does it.

    Raise BusyError while another environment is being built.
    """
    with suppress(StatementError), session.transaction(_LOCK_SECONDS):
        refuse_others(connection, session, environment)
        _forget(session, names)


def _outdated(seconds: float) -> tuple[tuple[str, str], ...]:
    """Return the tables of the state that forget what is older than `seconds`, and the condition for that; of recipes
    the latest of each version stays, and of runs the latest of each environment.
    """
    if not seconds:
        return ()
    oldest = datetime.now(UTC) - timedelta(seconds=seconds)
    recipes, before = table_of("sqlflow_recipes"), oldest.replace(tzinfo=None).isoformat(sep=" ")
    runs = table_of("sqlflow_runs")
    return (
        (table_of("sqlflow_checked"), f"run < {literal(f'{oldest:%Y%m%dT%H%M%S}')}"),
        (
            recipes,
            f"built_at < {literal(before)} and exists (select 1 from {recipes} as later"
            f" where later.relation = {recipes}.relation and later.built_at > {recipes}.built_at)",
        ),
        (history.TABLE, history.older(before)),  # before the runs that it is about
        (
            runs,
            f"published_at < {literal(before)} and exists (select 1 from {runs} as later"
            f" where later.environment = {runs}.environment and later.sequence > {runs}.sequence)",
        ),
    )


def _recorded_and_needed(
    session: Session, keep: Iterable[str], seconds: float
) -> tuple[frozenset[str], frozenset[str]]:  # fmt: skip
    """Return the versions that are recorded, and the relations that stay, with all that they are made from."""
    found = session.rows(f"select relation, key, inputs, built_at from {table_of('sqlflow_versions')}").rows
    inputs = {relation: msgspec.json.decode(names, type=tuple[str, ...]) for relation, _, names, _ in found}
    oldest = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
    young = [relation for relation, key, _, built_at in found if seconds and key != relation and built_at >= oldest]
    shown = [relation for (relation,) in session.rows(f"select relation from {table_of('sqlflow_published')}").rows]
    replaced = history.needed(session, oldest) if seconds else []
    waiting = [*shown, *young, *replaced, *keep]
    kept: set[str] = set()
    while waiting:
        relation = waiting.pop()
        if relation not in kept:
            kept.add(relation)
            waiting += inputs.get(relation, ())
    return frozenset(inputs), frozenset(kept)
