"""What a snapshot's columns are made from, as a query that can be read for it: it never runs."""

from sqlflow.core.block import Block
from sqlflow.core.names import quoted
from sqlflow.read.snapshots import ALL


def as_read(block: Block, sql: str) -> str:
    """Return a block's query with the columns that a snapshot has beside; that of another block as it is.

    When a version begins and ends is told by `updated_at` or by what is checked.
    """
    if not block.is_snapshot:
        return sql
    config = block.config
    named = (config.updated_at,) if config.updated_at else config.check
    times = "history" if named == (ALL,) else f"coalesce({', '.join(map(quoted, named))})"
    return f"select *, {times} as valid_from, {times} as valid_to, {times} as is_current from (\n{sql}\n) as history"
