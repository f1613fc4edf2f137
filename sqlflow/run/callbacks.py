"""Runs the statements that blocks want to be run after they have been published, or have failed."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from threading import Event, Thread

from sqlflow.core import events
from sqlflow.core.block import Block, Query
from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.run.compose import Binder
from sqlflow.run.tally import Tally
from sqlflow.run.work import Work


def call_back(
    work: Work, tally: Tally, published: Iterable[TableName], session: Session, is_stopped: Callable[[], bool]
) -> None:
    """Run `on_success` of the blocks that were built and are `published`, and `on_failure` of those that failed.

    Each is a transaction of its own. One that fails is told, and changes nothing of how the run went. Soon after
    `is_stopped` has begun to tell so, the statement that runs is interrupted, and none is begun.
    """
    with _interrupted(session, is_stopped):
        _call(work, tally, set(published), session, is_stopped)


@contextmanager
def _interrupted(session: Session, is_stopped: Callable[[], bool]) -> Iterator[None]:
    """Interrupt a session while the run is told to end."""
    ended = Event()

    def watch() -> None:
        while not ended.wait(0.1):
            if is_stopped():
                session.interrupt()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _call(
    work: Work, tally: Tally, shown: AbstractSet[TableName], session: Session, is_stopped: Callable[[], bool]
) -> None:
    for name, block in work.plan.project.blocks.items():
        result = tally.results.get(name)
        if result is None or not (block.flow.on_success or block.flow.on_failure):
            continue
        if result.status == "built" and name in shown:
            _run(block, "on_success", block.flow.on_success, work, session, is_stopped)
        elif result.status == "failed" or name in _broken(tally):
            _run(block, "on_failure", block.flow.on_failure, work, session, is_stopped)


def _broken(tally: Tally) -> set[TableName]:
    """Return the blocks that an assertion has found wrong."""
    checks = (check for check in tally.checks if check.assertion.key in tally.checked)
    return {name for check in checks if tally.checked[check.assertion.key].status == "failed" for name in check.gates}


def _run(
    block: Block, key: str, statements: tuple[Query, ...], work: Work, session: Session, is_stopped: Callable[[], bool]
) -> None:
    binder = _published(work)
    for statement in statements:
        message = (
            "not run, since the run was told to end" if is_stopped() else _fault(statement, block, binder, session)
        )
        if message:
            work.tell(events.Warned(work.run, f"`{key}` of `{block.name}`: {message}"))


def _fault(statement: Query, block: Block, binder: Binder, session: Session) -> str:
    """Run a statement, and return what the engine says against it; nothing if it went well."""
    try:
        with session.transaction():
            session.execute(binder.bound(statement, block.name.schema).text)
    except StatementError as error:
        return error.message
    return ""


def _published(work: Work) -> Binder:
    """Return a binder to which each block is what the environment shows of it."""
    project = work.plan.project
    relations = {name: project.environment.relation(name) for name in project.blocks}
    return Binder(project, work.binder.resolver, relations, {})
