"""An open target: for readers, and for the one run that may change an environment of it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from msgspec import Struct

from sqlflow.core.block import Project
from sqlflow.core.engine import Connection, Session
from sqlflow.core.events import Listener
from sqlflow.core.failpoints import failing, point
from sqlflow.plan.graph import Graph
from sqlflow.run import state
from sqlflow.run.lease import Lease, Taking, beating, over
from sqlflow.run.names import new_run
from sqlflow.run.signals import unheard
from sqlflow.run.waiting import waited


def is_there(project: Project) -> bool:
    """Tell whether the target can have anything: a database file that is not there yet holds nothing."""
    path = getattr(project.target.settings, "path", None)
    return path is None or path == ":memory:" or (project.root / path).exists()


@contextmanager
def opened(project: Project, readonly: bool = False) -> Iterator[tuple[Connection, Session]]:
    connection = project.target.engine.open(project.target.settings, project.root, readonly)
    try:
        session = connection.session()
        try:
            yield connection, session
        finally:
            session.close()
    finally:
        connection.close()


@contextmanager
def waited_for(project: Project, seconds: float, tell: Listener) -> Iterator[tuple[Connection, Session]]:
    """Open the target to change it, waiting up to `seconds` for it."""
    engine, settings = project.target.engine, project.target.settings
    connection = failing(waited(lambda: engine.open(settings, project.root), seconds, tell))
    try:
        session = connection.session()
        try:
            yield connection, session
        finally:
            session.close()
    finally:
        with unheard():
            connection.close()


@contextmanager
def leased(
    project: Project, connection: Connection, session: Session, seconds: float, tell: Listener, run: str
) -> Iterator[Lease]:
    """Take the lease that lets one run change the target, waiting up to `seconds` for it."""
    state.ensure(connection, session)
    try:
        lease = waited(Taking(connection, session, project.environment, run), seconds, tell)
        point("lease taken")
        with beating(lease, partial(connection.session, lease.owner)):
            yield lease
    finally:
        over(run)


class Opened(Struct, frozen=True):
    """A target that is open, with what it sees of the project."""

    graph: Graph
    connection: Connection
    session: Session

    @property
    def project(self) -> Project:
        return self.graph.project


class Held(Opened, frozen=True):
    """A target that one run may change."""

    lease: Lease


@contextmanager
def all_waited_for(parts: Mapping[str, Graph], seconds: float, tell: Listener) -> Iterator[Mapping[str, Opened]]:
    """Open the targets of one run to change them, by name, waiting up to `seconds` for each."""
    found = dict[str, Opened]()
    with ExitStack() as stack:
        for name in sorted(parts, key=lambda name: _location(parts[name].project)):
            there = stack.enter_context(waited_for(parts[name].project, seconds, tell))
            found[name] = Opened(parts[name], *there)
        yield {name: found[name] for name in parts}


@contextmanager
def all_leased(there: Mapping[str, Opened], seconds: float, tell: Listener) -> Iterator[Mapping[str, Held]]:
    """Take the leases of all targets for one run. The order goes by the databases, so that two runs never wait for each other."""
    run, found = new_run(), dict[str, Held]()
    with ExitStack() as stack:
        for name in sorted(there, key=lambda name: _location(there[name].project)):
            one = there[name]
            lease = stack.enter_context(leased(one.project, one.connection, one.session, seconds, tell, run))
            found[name] = Held(one.graph, one.connection, one.session, lease)
        yield {name: found[name] for name in there}


@contextmanager
def all_held(parts: Mapping[str, Graph], seconds: float, tell: Listener) -> Iterator[Mapping[str, Held]]:
    """Open the targets of one run and take their leases, waiting up to `seconds` for each of them."""
    with all_waited_for(parts, seconds, tell) as there, all_leased(there, seconds, tell) as targets:
        yield targets


def _location(project: Project) -> tuple[str, str, str]:
    target = project.target
    return target.engine.name, target.engine.catalog(target.settings), target.name
