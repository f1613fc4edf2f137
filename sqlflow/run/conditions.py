"""Which blocks are not wanted in a run, by their `when`: decided before there is a plan, over what is published."""

from collections.abc import Callable, Mapping

from sqlflow.core.block import Block, Project, Query
from sqlflow.core.engine import Rows
from sqlflow.core.errors import BuildError, StatementError
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Resolver

Ask = Callable[[str], Rows]


def unwanted(project: Project, current: Current, ask: Ask | None) -> dict[TableName, str]:
    """Return the blocks that are not wanted, and why.

    A query that cannot be asked yet leaves its block wanted: without a target (`ask` is None), and where it reads a block
    that has never been built. Raise BuildError, at its place, for one that the engine refuses.
    """
    found = {}
    for name, block in project.blocks.items():
        when = block.flow.when
        if when is None:
            continue
        if when.query is None:
            if not when.wanted:
                found[name] = "`when` is false"
        elif ask is not None and not _is_true(when.query, block, project, current, ask, when.place):
            found[name] = "the query of its `when` says so"
    return found


def _is_true(query: Query, block: Block, project: Project, current: Current, ask: Ask, place: Place) -> bool:
    text = published_text(query, block.name.schema, project, current.published)
    return text is None or truth(text, ask, place, "when")


def published_text(query: Query, schema: str, project: Project, published: Mapping[TableName, TableName]) -> str | None:
    """Return a query over what is published; None if it reads a block that is not."""
    from sqlflow.run.compose import Binder

    resolver = Resolver(project)
    links = (resolver.link(use.name, schema) for use in query.tables if not use.qualifier)
    if any(link.kind == "block" and link.name not in published for link in links):
        return None
    return Binder(project, resolver, published, {}).bound(query, schema).text


def truth(text: str, ask: Ask, place: Place, key: str) -> bool:
    """Return the one value that a query gives: no row, and NULL, are false.

    Raise BuildError if the engine refuses it, or if it gives more than one value.
    """
    try:
        rows = ask(text)
    except StatementError as error:
        raise BuildError(f"`{key}`: {error.message}", place) from error
    if len(rows.columns) != 1 or len(rows.rows) > 1:
        raise BuildError(f"`{key}` must give one value", place, "such as `select count(*) > 0 from raw.orders`")
    return bool(rows.rows and rows.rows[0][0])
