"""What a plan would do to the columns of what is published, and which readers that would break."""

from collections.abc import Mapping

from sqlflow.core.names import TableName
from sqlflow.plan.origins import EVERY, Read
from sqlflow.plan.recipes import Cookbook
from sqlflow.plan.reuse import ColumnChanges
from sqlflow.plan.sameness import Comparison


def column_changes(cookbook: Cookbook, names: list[TableName]) -> Mapping[TableName, ColumnChanges]:
    """Return the columns that blocks would get and lose, of those where both can be told."""
    comparison = Comparison(cookbook.graph.project.target.engine.dialect)
    found: dict[TableName, ColumnChanges] = {}
    for name in names:
        before, now = _columns(cookbook, comparison, name)
        if before is None or now is None or before == now:
            continue
        added = tuple(column for column in now if column not in before)
        removed = tuple(column for column in before if column not in now)
        if added or removed:
            found[name] = ColumnChanges(added, removed, _broken(cookbook, comparison, name, removed))
    return found


def _columns(
    cookbook: Cookbook, comparison: Comparison, name: TableName
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Return the columns that are published, and those that the block has now."""
    shown = cookbook.published.get(name)
    before = cookbook.of_version(shown.name) if shown else None
    now = cookbook.of_block(name) if before else None
    return before.columns if before else None, comparison.columns(now) if now else None


def _broken(
    cookbook: Cookbook, comparison: Comparison, name: TableName, removed: tuple[str, ...]
) -> tuple[TableName, ...]:
    """Return the readers that name a column that goes, unless they are changed as well so that they do not any more."""
    gone = {Read(str(name), column) for column in removed}
    broken = []
    for reader in sorted(cookbook.graph.readers[name]) if gone else ():
        shown = cookbook.published.get(reader)
        before = cookbook.of_version(shown.name) if shown else None
        now = cookbook.of_block(reader)
        if before is None or now is None or before.sql is None or before.sql != now.sql:
            continue
        known, would = comparison.lineage(before), comparison.lineage(now)
        if known is not None and would is None and known.reads & gone and Read(str(name), EVERY) not in known.reads:
            broken.append(reader)
    return tuple(broken)
