"""Takes the latest publish of an environment back: what it has replaced is shown again, in one transaction."""

from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Project
from sqlflow.core.engine import Connection, Session
from sqlflow.core.errors import BuildError, Problem, UsageError
from sqlflow.core.names import TableName, quoted
from sqlflow.plan.versions import STATE_SCHEMA
from sqlflow.run import history, state
from sqlflow.run.history import Publish
from sqlflow.run.lease import Lease
from sqlflow.run.looks import Look, dress, kept
from sqlflow.run.publish import committed, first_the_next_time, foreign


class Rollback(Struct, frozen=True):
    """What was taken back: `put_back` shows what it did before `undone`, `dropped` was not shown before it."""

    run: str
    undone: str
    published_at: datetime
    put_back: tuple[TableName, ...]
    dropped: tuple[TableName, ...]


def roll_back(connection: Connection, session: Session, project: Project, lease: Lease) -> Callable[[], Rollback]:
    """Return what takes the latest publish back, and returns what that was.

    Raise UsageError if there is none, if nothing was shown before it, or if a version that it has replaced is gone, and BuildError if a relation of
    somebody else stands in the place of one that was shown.
    """
    environment, last = lease.environment, history.latest(session, lease.environment)
    if last is None:
        raise UsageError(
            f"nothing was published in `{environment.name}` that could be taken back",
            hint="what a publish has replaced is remembered for as long as `keep` says",
        )
    if state.published(session, environment).keys() <= {name for name, relation in last.before.items() if not relation}:
        hint = "" if environment.is_prod else f"`sqlflow env drop {environment.name}` takes the environment away"
        raise UsageError(f"`{environment.name}` showed nothing before the run {last.run}", hint=hint)
    gone = list(_gone(connection, last))
    if gone:
        raise UsageError(gone)
    shown = _shown(connection, session, project, lease, last)
    put_back = {name: relation for name, relation in last.before.items() if relation}
    dropped = [name for name, relation in last.before.items() if not relation]
    order = list(put_back)
    given = {name: kept(look) for name, (_, look) in state.looks(session, environment).items() if name in shown}
    looks = {name: kept(last.looks[name]) or _without_columns(given.get(name)) for name in put_back}

    def change(session: Session) -> None:
        for schema in sorted({environment.relation(name).schema for name in put_back}):
            session.execute(f"create schema if not exists {quoted(schema)}")
        for name in tuple(order):
            with first_the_next_time(name, order):
                view = environment.relation(name)
                session.show(view, put_back[name])
                dress(view, given.get(name), looks[name], session, project.target.engine)
        for name in dropped:
            if name in shown:
                session.execute(f"drop view {environment.relation(name).sql}")
        state.show(
            session, environment, {name: (put_back[name], looks[name].text) for name in sorted(order)}, lease.owner
        )
        state.hide(session, environment, dropped)
        history.forget(session, last.run)

    def done() -> Rollback:
        committed(connection, session, project, lease, change)
        return Rollback(
            lease.owner, last.run, last.published_at, tuple(map(environment.relation, put_back)),
            tuple(map(environment.relation, dropped)),
        )  # fmt: skip

    return done


def _without_columns(given: Look | None) -> Look:
    """Return the look that a relation has where the earlier one is not known; its columns may be others than those of then."""
    return replace(given, columns={}) if given else Look()


def _gone(connection: Connection, last: Publish) -> Iterator[Problem]:
    there = {relation.name.name for relation in connection.relations([STATE_SCHEMA]) if not relation.is_lost}
    for name, relation in last.before.items():
        if relation and relation.name not in there:
            yield Problem(
                f"`{name}` cannot be put back: the version that it showed before the run {last.run} is gone",
                hint="put the project back as it was, and build it",
            )


def _shown(
    connection: Connection, session: Session, project: Project, lease: Lease, last: Publish
) -> frozenset[TableName]:
    """Return the blocks whose views are there as we made them. Raise BuildError for relations of others in their place."""
    shown = state.shown(connection, session, lease.environment)
    places = {lease.environment.relation(name): name for name, relation in last.before.items() if relation}
    there = connection.relations(sorted({place.schema for place in places}))
    taken = [relation for relation in there if relation.name in places and places[relation.name] not in shown]
    if taken:
        raise BuildError(foreign(relation, project.blocks.get(places[relation.name])) for relation in taken)
    return frozenset(shown)
