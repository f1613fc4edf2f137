"""Places in pools: how many blocks of a kind are built at once."""

from collections import Counter
from dataclasses import dataclass, field

from sqlflow.core.names import TableName
from sqlflow.plan.plan import Plan
from sqlflow.run.order import Node


@dataclass
class Pools:
    """Who is in which pool now. A pool without a size in the project file has room for all."""

    used: Counter[str] = field(default_factory=Counter)

    def taken(self, plan: Plan, node: Node) -> bool:
        """Take a place for a node and return True; False where its pool is full."""
        pool = pool_of(plan, node)
        size = plan.project.config.pools.get(pool)
        if size is not None and self.used[pool] >= size:
            return False
        self.used[pool] += 1
        return True

    def leave(self, plan: Plan, node: Node) -> None:
        """Give a node's place back."""
        self.used[pool_of(plan, node)] -= 1


def pool_of(plan: Plan, node: Node) -> str:
    """Return the pool of a block or an assertion: the one it names, else its runtime's, else none."""
    if isinstance(node, TableName):
        block = plan.block(node)
        if node in plan.built:
            return block.config.pool or (block.kind if block.function else "")
        return ""
    function = getattr(node.assertion.code, "runtime", None)
    return function.name if function else ""
