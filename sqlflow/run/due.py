"""Which exports a run would make, and what keeps it from them: told before anything is built."""

from collections.abc import Iterator, Mapping

from sqlflow.core.block import Block
from sqlflow.core.engine import Session
from sqlflow.core.flow import TableExport
from sqlflow.core.names import TableName
from sqlflow.plan.exports import Due, Exports
from sqlflow.plan.plan import Plan
from sqlflow.run import exported
from sqlflow.run.exported import Into
from sqlflow.run.exports import is_in_place, kept_in, shown_path
from sqlflow.run.listing import Lists
from sqlflow.run.table_exports import problem

Places = Mapping[str, tuple[Lists, Session]]
"""The open targets by name: what lies in them, and a session. One that is not there yet is not among them."""


def exports_of(plan: Plan, there: Places, adopt: bool) -> Exports:
    """Return the exports of the blocks of a plan that are not made yet: those of a block that is built are all due."""
    blocks = [
        block
        for name in plan.graph.order
        if (block := plan.project.blocks[name]).flow.has_exports and name in plan.nodes
    ]
    tables = _found(blocks, plan, there)
    checked = (
        problem(block, export, table, into, adopt)
        for block in blocks
        for export, table, into in _of_block(block, plan, tables)
        if _is_due(block, export, into, plan)
    )
    return Exports(tuple(_due(blocks, plan, tables)), tuple(one for one in checked if one is not None))


def _due(blocks: list[Block], plan: Plan, tables: Mapping[tuple[str, TableName], Into]) -> Iterator[Due]:
    kept = kept_in(plan.project.root)
    for block in blocks:
        version = plan.reused.get(block.name)
        for file in block.flow.exports:
            if version is None or not is_in_place(file, version, plan.project, kept):
                yield Due(block.name, shown_path(file, plan.project))
        for export, table, into in _of_block(block, plan, tables):
            if _is_due(block, export, into, plan):
                yield Due(block.name, str(table), export.target, export.mode)


def _is_due(block: Block, export: TableExport, into: Into, plan: Plan) -> bool:
    version = plan.reused.get(block.name)
    return version is None or not into.holds(version.name, export.mode)


def _of_block(
    block: Block, plan: Plan, tables: Mapping[tuple[str, TableName], Into]
) -> Iterator[tuple[TableExport, TableName, Into]]:
    """Yield the exports of a block to tables, each with the table's name in the environment, and as it is."""
    for export in block.flow.tables:
        table = plan.project.environment.relation(export.table)
        yield export, table, tables.get((export.target, table), Into())


def _found(blocks: list[Block], plan: Plan, there: Places) -> dict[tuple[str, TableName], Into]:
    """Return the tables that blocks are exported to, by target and name, of those targets that are open."""
    wanted: dict[str, list[TableName]] = {}
    environment = plan.project.environment
    for block in blocks:
        for export in block.flow.tables:
            wanted.setdefault(export.target, []).append(environment.relation(export.table))
    found = {}
    for target in wanted.keys() & there.keys():
        listing, session = there[target]
        for table, into in exported.found(listing, session, environment, wanted[target]).items():
            found[target, table] = into
    return found
