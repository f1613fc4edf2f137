"""What is worked on next: the most urgent of what is ready, as long as its pool has room for it."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping

from sqlflow.core.names import TableName
from sqlflow.plan.plan import Plan
from sqlflow.run.order import Node, edges

_Queue = list[tuple[int, int, Node]]


class Ready:
    """The nodes that could be worked on, and who is in which pool now.

    Each pool has a queue of its own: what is first in it goes first, so that what takes many places does not wait for
    ever behind what takes few. A pool without a size in the project file has room for all.
    """

    def __init__(self, plan: Plan, nodes: Iterable[Node]) -> None:
        self._plan = plan
        self._position = {node: number for number, node in enumerate(nodes)}
        self._urgency = urgencies(plan)
        self._queues: dict[str, _Queue] = {}
        self.used: Counter[str] = Counter()
        self._looking: set[Node] = set()

    @property
    def has_urgent(self) -> bool:
        """Whether some nodes go before others that were ready first."""
        return bool(self._urgency)

    def add(self, node: Node, is_looking: bool = False) -> None:
        """Put a node into the queue of its pool; one that only looks whether what it waits for has come takes no place."""
        if is_looking:
            self._looking.add(node)
        queue = self._queues.setdefault("" if is_looking else pool_of(self._plan, node), [])
        heapq.heappush(queue, (-self._urgency_of(node), self._position[node], node))

    def _urgency_of(self, node: Node) -> int:
        if not self._urgency:
            return 0
        names = (node,) if isinstance(node, TableName) else node.gates
        return max((self._urgency.get(name, 0) for name in names), default=0)

    def taken(self) -> Node | None:
        """Take the place of the most urgent node that has room, and return it; None if there is none."""
        heads = (
            (queue[0], pool) for pool, queue in self._queues.items() if queue and self._has_room(pool, queue[0][2])
        )
        best = min(heads, key=lambda head: head[0][:2], default=None)
        if best is None:
            return None
        (_, _, node), pool = best
        heapq.heappop(self._queues[pool])
        if node not in self._looking:
            self.used[pool] += weight_of(self._plan, node)
        return node

    def _has_room(self, pool: str, node: Node) -> bool:
        size = self._plan.project.config.pools.get(pool)
        return size is None or self.used[pool] + weight_of(self._plan, node) <= size

    def leave(self, node: Node) -> None:
        """Give a node's places back."""
        if node in self._looking:
            self._looking.discard(node)
            return
        self.used[pool_of(self._plan, node)] -= weight_of(self._plan, node)


def urgencies(plan: Plan) -> Mapping[TableName, int]:
    """Return the priorities of blocks: an input is as urgent as the most urgent that is built from it.

    Empty if no block has one.
    """
    found: dict[TableName, int] = {}
    if not any(plan.block(name).config.priority for name in plan.nodes):
        return found
    for name in reversed(plan.graph.order):
        if name in plan.nodes:
            found[name] = max(found.get(name, plan.block(name).config.priority), plan.block(name).config.priority)
            for read in plan.graph.inputs[name]:
                found[read] = max(found.get(read, found[name]), found[name])
    return found


def pool_of(plan: Plan, node: Node) -> str:
    """Return the pool of a block or an assertion: the one it names, else its runtime's, else none."""
    if isinstance(node, TableName):
        block = plan.block(node)
        return block.pool if node in plan.anew else ""
    function = getattr(node.assertion.code, "runtime", None)
    return function.name if function else ""


def weight_of(plan: Plan, node: Node) -> int:
    """Return how many places a node takes in its pool: one that is heavier than all of it has it for itself.

    Loading refuses such blocks; a size that a command gives can be too small.
    """
    if not isinstance(node, TableName):
        return 1
    weight = plan.block(node).config.weight
    return weight if weight == 1 else min(weight, plan.project.config.pools.get(pool_of(plan, node), weight))


def pools_of(plan: Plan) -> dict[str, int]:
    """Return how many places anything of a plan can take in each pool that has a size, at most."""
    sizes = plan.project.config.pools
    if not sizes:
        return {}
    taken = Counter[str]()
    for node in edges(plan):
        taken[pool_of(plan, node)] += weight_of(plan, node)
    return {pool: min(size, taken[pool]) for pool, size in sorted(sizes.items()) if taken[pool]}
