"""What a plan would do to the columns of what is published, with their types, as the engine tells of the queries.

The SQL alone tells less: which columns there are, of queries that can be read, and no types.
"""

import json
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from sqlflow.core.engine import Column
from sqlflow.core.errors import SqlflowError, StatementError
from sqlflow.core.names import TableName
from sqlflow.plan.plan import Plan
from sqlflow.plan.reuse import ColumnChanges, Retyped, Step
from sqlflow.run.shapes import Shapes


def with_column_changes(plan: Plan, shapes: Shapes) -> Plan:
    """Return a plan whose steps tell what becomes of their columns, as far as `shapes` knows them."""
    return replace(plan, steps=tuple(_with_changes(step, plan, shapes) for step in plan.steps))


def _with_changes(step: Step, plan: Plan, shapes: Shapes) -> Step:
    before = _published(plan, step.block) if step.action == "build" else ()
    now = shapes.of(step.block) if before else None
    if not now or not now.is_whole:
        return step
    known = step.columns or ColumnChanges()
    found = _changes(before, shapes.refused.get(step.block, now.columns))
    if found == ColumnChanges():
        return replace(step, columns=None)
    broken = {*known.breaks, *_broken(step.block, plan, shapes)} if found.removed or found.retyped else ()
    return replace(step, columns=replace(found, breaks=tuple(sorted(broken))))


def _published(plan: Plan, name: TableName) -> Sequence[Column]:
    """Return the columns of the version that is published; nothing where they are not known."""
    cookbook = plan.cookbook
    shown = cookbook.published.get(name) if cookbook else None
    entries = cookbook.entries.get(shown.name, []) if cookbook and shown else []
    columns = json.loads(entries[0].text)["columns"] if entries else None
    return [Column(column, kind) for column, kind in columns or ()]


def _changes(before: Sequence[Column], now: Sequence[Column]) -> ColumnChanges:
    old, new = ({column.name.lower(): column.type for column in columns} for columns in (before, now))
    return ColumnChanges(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        retyped=tuple(
            Retyped(name, old[name].lower(), new[name].lower())
            for name in new
            if name in old and old[name].lower() != new[name].lower()
        ),
    )


def _broken(name: TableName, plan: Plan, shapes: Shapes) -> Iterator[TableName]:
    """Yield the readers whose query is what it was, runs on the columns that are published, and not on the new ones."""
    assert plan.cookbook is not None
    old = Shapes(
        shapes.graph, shapes.session, shapes.is_target, lambda one: tuple(_published(plan, one)) or shapes.known(one)
    )
    for reader in sorted(plan.graph.readers[name]):
        shown, now = plan.cookbook.published.get(reader), plan.cookbook.of_block(reader)
        before = plan.cookbook.of_version(shown.name) if shown else None
        is_same = before is not None and now is not None and before.sql and before.sql == now.sql
        if is_same and _fails(reader, shapes) and not _fails(reader, old):
            yield reader


def _fails(name: TableName, shapes: Shapes) -> bool:
    """Tell whether the engine is known to refuse a block's query."""
    block = shapes.graph.project.blocks[name]
    if block.query is None or block.query.dynamic or block.query.unclear or block.pre_statements:
        return False
    try:
        text = shapes.text(block, block.query)
    except SqlflowError:
        return False
    try:
        return text is not None and not shapes.session.columns(text.text)
    except StatementError:
        return True
