"""What is told of the steps of blocks that go on from what is there."""

from collections.abc import Mapping

from msgspec.structs import replace

from sqlflow.core.block import Block
from sqlflow.core.names import TableName
from sqlflow.plan.current import Current
from sqlflow.plan.ranges import Ranges, left_alone
from sqlflow.plan.reuse import Reuse, Step
from sqlflow.plan.versions import Key


def told(
    step: Step, block: Block, bases: Mapping[TableName, TableName], ranges: Mapping[TableName, Ranges],
    keys: Mapping[TableName, Key], reused: Mapping[TableName, Reuse], current: Current,
) -> Step:  # fmt: skip
    """Return a step whose reason tells that it goes on from what is there, or which intervals are built.

    Of intervals that are left alone it tells of what has changed below, and does not build them again.
    """
    if step.block in ranges:
        return replace(step, reason=f"{ranges[step.block].why or step.reason}; {ranges[step.block].told}")
    if step.action == "reuse" and block.is_ranged:
        made = next((made for made in current.made if made.relation == reused[step.block].relation), None)
        return replace(step, reason=(made and left_alone(made, keys[step.block])) or step.reason)
    if step.block not in bases:
        return step
    return replace(step, reason=f"{step.reason}; {'adds to its history' if block.is_snapshot else 'adds new rows'}")
