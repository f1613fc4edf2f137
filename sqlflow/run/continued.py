"""How a block that goes on from the version that is there gets its new one: an incremental block, or a snapshot."""

from datetime import datetime

from sqlflow.core.block import Block
from sqlflow.core.engine import Column, Session
from sqlflow.core.names import TableName
from sqlflow.run import incremental, snapshots
from sqlflow.run.incremental import Change
from sqlflow.run.key_places import key_text
from sqlflow.run.snapshots import History


def change_of(
    block: Block, base: TableName | None, relation: TableName, columns: tuple[Column, ...], moment: datetime,
    session: Session,
) -> Change | History | None:  # fmt: skip
    """Return how a block that goes on from `base` gets its version `relation`; None for another block.

    `columns` are those of its query, `moment` is when the run has begun. Raise BuildError if they do not go with the block's
    settings, or with those of what is there.
    """
    if block.is_snapshot:
        return snapshots.history_of(block, base, relation, columns, moment, session)
    return incremental.change_of(block, base, relation, columns, key_text(block, "key", " ").place(0), session)


def applied(change: Change | History, create: str, session: Session, rows: int | None) -> int | None:
    """Make the new version of a block that goes on from another one, and return how many rows it has, where that is known."""
    if isinstance(change, History):
        return snapshots.written(change, create, session)
    return incremental.applied(change, create, session, rows)
