"""An open target: for readers, and for the one run that may change an environment of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlflow.core.block import Project
from sqlflow.core.engine import Connection, Session
from sqlflow.core.events import Listener
from sqlflow.core.failpoints import failing, point
from sqlflow.run import state
from sqlflow.run.lease import Lease, Taking, beating, new_run
from sqlflow.run.signals import told_to
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
        with told_to(_unheard):
            connection.close()


@contextmanager
def leased(
    project: Project, connection: Connection, session: Session, seconds: float, tell: Listener
) -> Iterator[Lease]:
    """Take the lease that lets one run change the target, waiting up to `seconds` for it."""
    state.ensure(connection, session)
    lease = waited(Taking(connection, session, project.environment, new_run()), seconds, tell)
    point("lease taken")
    with beating(lease, partial(connection.session, lease.owner)):
        yield lease


@contextmanager
def held(project: Project, seconds: float, tell: Listener) -> Iterator[tuple[Connection, Session, Lease]]:
    """Open the target and take its lease, waiting up to `seconds` for each of them."""
    with (
        waited_for(project, seconds, tell) as (connection, session),
        leased(project, connection, session, seconds, tell) as lease,
    ):
        yield connection, session, lease


def _unheard(exit_code: int) -> None:
    """What has been done is done: closing is not cut off by a signal."""
