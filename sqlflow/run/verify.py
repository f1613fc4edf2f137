"""Compares some intervals of what is published of a block with what its query gives for them now.

They are built aside, in a transaction that is rolled back: whatever happens, nothing is left of it.
"""

from collections.abc import Sequence

from sqlflow.core.block import Block
from sqlflow.core.engine import Session
from sqlflow.core.errors import UsageError
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName
from sqlflow.core.spans import Span, batches
from sqlflow.core.text import MappedText
from sqlflow.plan.graph import Graph
from sqlflow.plan.ranges import AskedRanges
from sqlflow.plan.versions import STATE_SCHEMA, helper_name
from sqlflow.run import state
from sqlflow.run.build import called, current_query, run_statement
from sqlflow.run.compose import selectable
from sqlflow.run.diff import Difference, Side, difference
from sqlflow.run.planned import published
from sqlflow.run.ranges import is_within, time_column
from sqlflow.run.show import work_over
from sqlflow.run.sources import bound
from sqlflow.run.target import all_held, is_there
from sqlflow.run.work import Work


class _Undone(Exception):
    """Only inside this module: the comparison is done, and leaves nothing behind."""


def verified(
    graph: Graph, asked: AskedRanges, key: Sequence[str], limit: int, lock_seconds: float, tell: Listener
) -> Difference:
    """Return how the intervals that are asked for of one block would differ if they were built again from what is published.

    Raise UsageError for a block that is not published, BuildError for a query that fails.
    """
    (name,), project = asked.blocks, graph.project
    if not is_there(project):
        raise state.unknown(project.environment, ())
    with all_held({project.target.name: graph}, lock_seconds, tell) as targets:
        ((_, there),) = targets.items()
        state.refuse_unknown(there.connection, there.session, project.environment)
        current = published(project, there.connection, there.session)
        if name not in current.published:
            hint = f"run `sqlflow build {name}{project.environment.flag}`"
            raise UsageError(f"`{name}` is not published", hint=hint)
        assert asked.span is not None
        work = work_over(graph, current, there.connection)
        return _compared(project.blocks[name], asked.span, work, key, limit, there.session)


def _compared(block: Block, span: Span, work: Work, key: Sequence[str], limit: int, session: Session) -> Difference:
    found: list[Difference] = []
    names = ("published", "rebuilt")
    sides = [Side(name, TableName(STATE_SCHEMA, helper_name(block.name, name))) for name in names]
    try:
        with session.transaction():
            _show_span(block, span, work, sides[0], session)
            _rebuild(block, span, work, sides[1], session)
            found.append(difference(block, sides[0], sides[1], key, limit, session))
            raise _Undone
    except _Undone:
        return found[0]
    finally:
        work.workers.close()


def _show_span(block: Block, span: Span, work: Work, side: Side, session: Session) -> None:
    published = work.binder.relations[block.name].sql
    when = time_column(block, session.columns(f"select * from {published}"))
    session.execute(f"create view {side.relation.sql} as select * from {published} where {is_within(when, span)}")


def _rebuild(block: Block, span: Span, work: Work, side: Side, session: Session) -> None:
    """Run the query, or call the function, for each batch of the span, as a build would."""
    start = f"create table {side.relation.sql} as\n"
    assert block.config.interval
    for batch in batches(span, block.config.batch_size, block.config.interval):
        run_statement(session, start + _rows_of(block, batch, work, side, session), work, block)
        start = f"insert into {side.relation.sql}\n"


def _rows_of(block: Block, batch: Span, work: Work, side: Side, session: Session) -> MappedText:
    """Return a query for the rows of a batch; those of a function are stored first."""
    if block.function is None:
        query = current_query(work, block, session, span=batch)
        return selectable(bound(work, query, block.name.schema, block.source.place(block.body), session))
    given = side.relation._replace(name=helper_name(side.relation, str(batch)))
    with called(work, block, session, batch) as rows:
        session.load(given, rows)
    return MappedText.plain(f"select * from {given.sql}")
