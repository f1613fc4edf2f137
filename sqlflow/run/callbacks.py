"""Runs the statements that blocks want to be run after they have been published, or have failed."""

from collections.abc import Iterable

from sqlflow.core import events
from sqlflow.core.block import Block, Query
from sqlflow.core.engine import Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName
from sqlflow.run.compose import Binder
from sqlflow.run.tally import Tally
from sqlflow.run.work import Work


def call_back(work: Work, tally: Tally, published: Iterable[TableName], session: Session) -> None:
    """Run `on_success` of the blocks that were built and are `published`, and `on_failure` of those that failed.

    Each is a transaction of its own. One that fails is told, and changes nothing of how the run went.
    """
    shown = set(published)
    for name, block in work.plan.project.blocks.items():
        result = tally.results.get(name)
        if result is None or not (block.flow.on_success or block.flow.on_failure):
            continue
        if result.status == "built" and name in shown:
            _run(block, "on_success", block.flow.on_success, work, session)
        elif result.status == "failed" or name in _broken(tally):
            _run(block, "on_failure", block.flow.on_failure, work, session)


def _broken(tally: Tally) -> set[TableName]:
    """Return the blocks that an assertion has found wrong."""
    checks = (check for check in tally.checks if check.assertion.key in tally.checked)
    return {name for check in checks if tally.checked[check.assertion.key].status == "failed" for name in check.gates}


def _run(block: Block, key: str, statements: tuple[Query, ...], work: Work, session: Session) -> None:
    binder = _published(work)
    for statement in statements:
        try:
            with session.transaction():
                session.execute(binder.bound(statement, block.name.schema).text)
        except StatementError as error:
            message = f"`{key}` of `{block.name}`: {error.message}"
            work.tell(events.Warned(work.run, message))


def _published(work: Work) -> Binder:
    """Return a binder to which each block is what the environment shows of it."""
    project = work.plan.project
    relations = {name: project.environment.relation(name) for name in project.blocks}
    return Binder(project, work.binder.resolver, relations, {})
