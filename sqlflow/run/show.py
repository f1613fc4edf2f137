"""The rows of a block, as it is published or as its query gives them now."""

from typing import TYPE_CHECKING

from sqlflow.core.block import Block, Project
from sqlflow.core.engine import Connection, Rows, Session
from sqlflow.core.errors import StatementError, UsageError
from sqlflow.core.text import MappedText
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Graph
from sqlflow.plan.ranges import first_of
from sqlflow.plan.tested import test_plan
from sqlflow.read.blocks import rendered_again
from sqlflow.read.project import renderer_of
from sqlflow.run.build import current_query, told
from sqlflow.run.compose import cte_query
from sqlflow.run.execute import binder_of
from sqlflow.run.names import new_run
from sqlflow.run.planned import published
from sqlflow.run.target import opened
from sqlflow.run.work import Work
from sqlflow.run.workers import Workers

if TYPE_CHECKING:
    import pandas as pd


def first_interval(block: Block, project: Project) -> MappedText:
    """Return the query of a block of time ranges for its first interval; as it is read, if it asks for rows itself."""
    assert block.query is not None
    if block.query.dynamic:
        return block.query.text
    nothing = Rows((), ())
    span = first_of(block.config)
    return rendered_again(block, renderer_of(project), project.target.engine, lambda _: nothing, True, span).text


def rows_of(graph: Graph, block: Block, cte: str, limit: int) -> Rows:
    """Return the first rows of a block as it is published; else those of its query, or of one of its CTEs, over what is."""
    project = graph.project
    with opened(project, readonly=True) as (connection, session):
        current = published(project, connection, session)
        if not cte and block.name in current.published:
            return session.rows(f"select * from {current.published[block.name].sql}", limit)
        return _query_rows(work_over(graph, current, connection), current, block, cte, limit, session)


def work_over(graph: Graph, current: Current, connection: Connection) -> Work:
    """Return the work of showing what queries give over what is published."""
    project, made = graph.project, test_plan(graph, frozenset(), current)
    binder = binder_of(made, current.published, new_run())
    return Work("show", binder, renderer_of(project), made, Workers(project.root), connection.session)


def _query_rows(work: Work, current: Current, block: Block, cte: str, limit: int, session: Session) -> Rows:
    """Return the first rows of a block's query, or of one of its CTEs, over what is published.

    Raise UsageError for what has never been built, and StatementError for a query that fails.
    """
    flag = work.plan.project.environment.flag
    if block.query is None:
        raise UsageError(f"`{block.name}` has never been built", hint=f"run `sqlflow build {block.name}{flag}`")
    for name in work.plan.graph.inputs[block.name]:
        if name not in current.published and name not in work.plan.inlined:
            raise UsageError(
                f"`{block.name}` reads `{name}`, which has never been built",
                hint=f"run `sqlflow build +{block.name}{flag}`",
            )
    query = current_query(work, block, session)
    body = work.binder.bound(query, block.name.schema)
    statement = cte_query(body, cte, work.plan.project, block) if cte else body
    try:
        return session.rows(statement.text, limit)
    except StatementError as error:
        raise told(error, statement, work, block) from error


def frame(project: Project, block: Block) -> "pd.DataFrame":
    """Return a published block as a pandas frame of Arrow types. Raise UsageError if it is not published."""
    import pandas as pd

    with opened(project, readonly=True) as (connection, session):
        shown = published(project, connection, session).published.get(block.name)
        if shown is None:
            hint = f"run `sqlflow build {block.name}{project.environment.flag}`"
            raise UsageError(f"`{block.name}` is not published", hint=hint)
        table = session.batches(f"select * from {shown.sql}").read_all()
        rows: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
        return rows


def rendered(block: Block, project: Project) -> MappedText:
    """Return a block's text as it runs, a block of time ranges for its first interval. Raise UsageError for a seed."""
    if block.code is None:
        raise UsageError(f"`{block.name}` is a seed: it has no SQL")
    is_asked = block.is_ranged and block.function is None
    return first_interval(block, project) if is_asked else block.code.text
