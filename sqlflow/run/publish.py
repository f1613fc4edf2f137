"""Makes versions visible: all views of a run, and the state that says so, in one transaction."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct, field

from sqlflow.core.block import Block, Project
from sqlflow.core.engine import Connection, Relation, Session
from sqlflow.core.environment import Environment
from sqlflow.core.errors import BuildError, BusyError, Problem, SqlflowError, StatementError, TargetError
from sqlflow.core.names import TableName, quoted
from sqlflow.core.text import Place
from sqlflow.plan.current import Current
from sqlflow.plan.plan import Plan
from sqlflow.plan.versions import NAME_BYTES, STATE_SCHEMA
from sqlflow.run import exported, history, ledger, state
from sqlflow.run.lease import Lease
from sqlflow.run.listing import Listing, Lists
from sqlflow.run.looks import dress, kept, look_of
from sqlflow.run.retry import TRIES, is_lost, paused, retried

ADOPTED = "__before_sqlflow"


def current(
    connection: Connection, session: Session, environment: Environment, blocks: Collection[Block], adopt: bool,
    listing: Lists | None = None,
) -> Current:  # fmt: skip
    """Return what an environment shows, and the problems of names that somebody else's relations have.

    `listing` are the target's relations, where they have been asked for already: it may be that nothing is to be done, and how
    versions were made is then asked for only when that is looked at.
    """
    may_be_idle, listing = listing is not None, listing or Listing(connection)
    wanted = {environment.relation(block.name): block for block in blocks if block.config.materialize != "ephemeral"}
    schemas = sorted({name.schema for name in wanted})
    listing.relations([STATE_SCHEMA, *schemas])
    has_state = state.exists(listing)
    form = state.form(session) if has_state else 0
    rows = state.published(session, environment) if has_state else {}
    shown = state.still_shown(listing, rows, environment)
    elsewhere = state.shown_elsewhere(session, environment) if has_state else {}
    problems = []
    for relation in sorted(listing.relations(schemas), key=lambda relation: relation.name):
        block = wanted.get(relation.name)
        if block is None or block.name in shown:
            continue
        if relation.name in elsewhere:
            problems.append(_shown_elsewhere(relation.name, elsewhere[relation.name], block))
        elif not adopt:
            problems.append(foreign(relation, block))
    if not has_state:
        return Current({}, tuple(problems), server=connection.server, definitions=connection.definitions())
    made = ledger.with_slices(session, state.made(listing, session, environment, rows))
    good = {version.relation for version in made}
    read = state.read_from(listing, session, environment, shown)
    published = {name: relation for name, relation in read.items() if relation in good}
    recipes = state.recipes(session, form, made)
    return Current(
        published,
        tuple(problems),
        True,
        made,
        state.checked(session),
        recipes if may_be_idle else recipes.read(),
        readers=_readers(connection, shown, environment),
        borrowed=frozenset(published) - frozenset(shown),
        server=connection.server,
        definitions=connection.definitions(),
        parts=ledger.waiting(listing, session) if any(block.is_ranged for block in blocks) else (),
        lost=frozenset(name for name, relation in read.items() if relation not in good),
    )


def _readers(
    connection: Connection, shown: Mapping[TableName, TableName], environment: Environment
) -> dict[TableName, tuple[TableName, ...]]:
    """Return the views of others on the relation of each published block."""
    ours = {environment.relation(block): block for block in shown}
    found: dict[TableName, tuple[TableName, ...]] = {}
    for name, reader in connection.dependents(sorted(ours)):
        if reader not in ours:
            found[ours[name]] = (*found.get(ours[name], ()), reader)
    return found


def _shown_elsewhere(name: TableName, other: str, block: Block) -> Problem:
    message = f"the environment `{other}` shows a block as `{name}`, where the block's view would be"
    return Problem(message, Place(block.source.path), "rename the block, or its schema")


def foreign(relation: Relation, block: Block | None) -> Problem:
    """Return the problem that a relation of somebody else stands where a block's view would be."""
    return Problem(
        f"the target has a {relation.kind} `{relation.name}` that was not made by sqlflow, where the block's view would be",
        Place(block.source.path) if block else None,
        f"rename the block, or run `sqlflow build --adopt`: the {relation.kind} is kept as `{relation.name.name}{ADOPTED}`",
    )


def publish(
    connection: Connection, session: Session, plan: Plan, relations: Mapping[TableName, TableName], lease: Lease,
    prune: bool, adopt: bool, cascade: bool = False,
) -> tuple[TableName, ...]:  # fmt: skip
    """Show the version of each block of `relations`, and return the relations dropped by `prune`.

    Raise what `committed` raises, and BuildError for names that somebody else has taken.
    """
    project, run, environment = plan.project, lease.owner, lease.environment
    names = sorted(relations)
    schemas = sorted({environment.relation(name).schema for name in names})
    shown = state.shown(connection, session, environment)
    there = {relation.name: relation for relation in connection.relations(schemas)}
    taken = {name: there[at] for name in names if (at := environment.relation(name)) in there and name not in shown}
    elsewhere = state.shown_elsewhere(session, environment) if taken else {}
    if taken and (not adopt or any(relation.name in elsewhere for relation in taken.values())):  # while the run lasted
        raise BuildError(foreign(relation, project.blocks[name]) for name, relation in taken.items())
    dropped = [name for name in plan.removed if prune and name in shown]
    looks = {name: look_of(project.blocks[name]) for name in names}

    def change(session: Session) -> None:
        before = state.looks(session, environment)
        history.remember(session, environment, run, {*names, *(plan.removed if prune else ())}, before)
        for schema in schemas:
            session.execute(f"create schema if not exists {quoted(schema)}")
        for relation in taken.values():
            session.execute(set_aside(relation))
        for name in tuple(names):
            with first_the_next_time(name, names):
                view, old = environment.relation(name), kept(before[name][1]) if name in shown else None
                session.show(view, relations[name], cascade)
                dress(view, old, looks[name], session, project.target.engine)
        for name in dropped:
            session.execute(f"drop view {environment.relation(name).sql}{' cascade' if cascade else ''}")
        state.show(session, environment, {name: (relations[name], looks[name].text) for name in sorted(names)}, run)
        state.hide(session, environment, plan.removed if prune else ())

    committed(connection, session, project, lease, change)
    return tuple(map(environment.relation, dropped))


def committed(
    connection: Connection, session: Session, project: Project, lease: Lease, change: Callable[[Session], None]
) -> None:
    """Change what an environment shows, in one transaction with the mark of the run; on a new session, if one breaks.

    Raise BuildError if the target refuses, TargetError if it fails, and BusyError if the run was overtaken; nothing is
    changed then. A COMMIT whose answer is an error may have happened: the run's mark, read by a new session, is what
    counts.
    """

    def change_and_mark(session: Session) -> None:
        change(session)
        state.mark(session, lease.environment, lease.owner, project.config.name)

    try:
        once(connection, session, project, lease, change_and_mark, lambda own: state.is_marked(own, lease.owner))
    except (BusyError, TargetError):
        raise
    except SqlflowError as error:
        raise _refused(error) from error


def once(
    connection: Connection, session: Session, project: Project, lease: Lease, change: Callable[[Session], None],
    is_done: Callable[[Session], bool],
) -> None:  # fmt: skip
    """Change a target in one transaction that makes `is_done` true; on a new session, if one breaks.

    A COMMIT whose answer is an error may have happened: what `is_done` tells of a new session is what counts. Raise what the
    target says if it is not, and BusyError if the run was overtaken.
    """
    lines = _Lines(connection, session)
    try:
        retried(lambda: _change(lines, project, lease, change, is_done), lines.dropped_if_lost)
    except BusyError:
        raise
    except SqlflowError:
        if not _has_happened(connection, is_done):
            raise
    finally:
        lines.close()
    if not _has_happened(connection, is_done):
        raise BuildError("it was not confirmed: the run's mark is not in the target")


def _change(
    lines: "_Lines",
    project: Project,
    lease: Lease,
    change: Callable[[Session], None],
    is_done: Callable[[Session], bool],
) -> None:
    """Try it once. What an earlier try may have done is waited for at the lease's row, and then there or not."""
    session = lines.session()
    with lease.lock, session.transaction(getattr(project.target.settings, "publish_lock_timeout", None)):
        lease.confirm(session)
        if not (lines.own and is_done(session)):
            change(session)


class _Lines(Struct):
    """The session that publishes, and those that have taken its place when it broke."""

    connection: Connection
    given: Session
    own: list[Session] = field(default_factory=list)
    is_lost: bool = False

    def session(self) -> Session:
        if self.is_lost:
            self.own.append(self.connection.session())
            self.is_lost = False
        return self.own[-1] if self.own else self.given

    def dropped_if_lost(self, error: SqlflowError) -> bool:
        """Note whether the session is of no use any more. What passes is always tried again."""
        self.is_lost = self.is_lost or is_lost(error)
        return True

    def close(self) -> None:
        for session in self.own:
            session.close()


def to_show(
    plan: Plan, relations: Mapping[TableName, TableName], connection: Lists, session: Session, environment: Environment
) -> dict[TableName, TableName]:  # fmt: skip
    """Return those of the relations that are not what the environment shows, and what it borrows from `prod`."""
    looks = state.looks(session, environment)
    shown = state.still_shown(connection, {name: relation for name, (relation, _) in looks.items()}, environment)
    return {
        name: relation
        for name, relation in {**plan.borrowed, **relations}.items()
        if shown.get(name) != relation or looks[name][1] != look_of(plan.block(name)).text
    }


def copy(connection: Connection, session: Session, environment: Environment) -> None:
    """Copy what `prod` shows, and what was exported into it, where the target wants that.

    Raise TargetError if the copy cannot be written.
    """
    if connection.wants_copy and environment.is_prod:
        names = {*state.shown(connection, session, environment), *exported.made_in(connection, session, environment)}
        latest = max(state.latest(session, environment), exported.latest(session, environment))
        connection.write_copy(sorted(names), latest)


@contextmanager
def first_the_next_time(name: TableName, order: list[TableName]) -> Iterator[None]:
    """Let what could not be shown come first when it is tried again, and be waited for with nothing held: its readers may
    themselves wait for what is held.
    """
    try:
        yield
    except StatementError:
        order.remove(name)
        order.insert(0, name)
        raise


def set_aside(relation: Relation) -> str:
    """Return the statement that keeps somebody else's relation under another name. Raise BuildError if that is too long."""
    kept = relation.name.name + ADOPTED
    if len(kept.encode()) > NAME_BYTES:
        raise BuildError(f"`{relation.name}` cannot be kept as `{kept}`: a name has at most {NAME_BYTES} bytes")
    return f"alter {relation.kind} {relation.name.sql} rename to {quoted(kept)}"


def _has_happened(connection: Connection, is_done: Callable[[Session], bool]) -> bool:
    """Tell whether a change is in the target. Raise TargetError if the target does not say, asked again and again."""
    for number in range(TRIES):
        try:
            session = connection.session()
            try:
                return is_done(session)
            finally:
                session.close()
        except SqlflowError as error:
            silent = error
        if number < TRIES - 1:
            paused(number)
    message = f"the target does not say whether publishing has happened: {silent.problems[0].message}"
    raise TargetError(message, hint="the next build finds out, and goes on from there") from silent


def _refused(error: SqlflowError) -> BuildError:
    return BuildError(
        Problem(f"the target refused to publish: {problem.message}", problem.place, problem.hint)
        for problem in error.problems
    )
