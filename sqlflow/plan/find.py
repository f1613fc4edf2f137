"""The block or the column that a person names."""

from sqlflow.core.block import Block, Project
from sqlflow.core.errors import UsageError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.plan.columns import Edges, lineages, made_from, made_of
from sqlflow.plan.graph import Graph
from sqlflow.plan.origins import Read


def block_named(project: Project, name: str) -> Block:
    """Return the one block of that name, with or without its schema. Raise UsageError if there is none."""
    wanted = TableName.parse(name)
    found = [b for b in project.blocks if b == wanted or (not wanted.schema and b.name == wanted.name)]
    if len(found) == 1:
        return project.blocks[found[0]]
    if found:
        raise UsageError(f"`{name}` could be " + " or ".join(f"`{block}`" for block in sorted(found)))
    known = [str(block) for block in project.blocks] + [block.name for block in project.blocks]
    raise UsageError(f"no such block: `{name}`", hint=did_you_mean(name, known) or "`sqlflow list` shows all blocks")


def column_named(graph: Graph, name: str) -> tuple[Read, Edges, Edges] | None:
    """Return a column, written `block.column`, with what it is made from and what is made from it.

    None if `name` is none. Raise UsageError for a column that its block does not have.
    """
    blocks = graph.project.blocks
    block, _, column = name.rpartition(".")
    if not block or any(str(known) == name.lower() for known in blocks):
        return None
    wanted = TableName.parse(block)
    outside = frozenset().union(*graph.sources.values())
    if wanted not in outside and not any(
        known.name == wanted.name and wanted.schema in ("", known.schema) for known in blocks
    ):
        return None
    owner = wanted if wanted in outside else block_named(graph.project, block).name
    found = lineages(graph)
    known = found.get(owner)
    start = Read(str(owner), column.strip('"').lower())
    if known is not None and known.column(start.column) is None:
        hint = did_you_mean(start.column, known.columns or ())
        raise UsageError(f"`{owner}` has no column `{column}`", hint=hint)
    return start, made_from(graph, found, start), made_of(graph, found, start)
