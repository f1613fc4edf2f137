"""What waits for what in a run: blocks for their inputs and their inputs' assertions, assertions for blocks."""

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from sqlflow.core.names import TableName
from sqlflow.plan.plan import Check, Plan
from sqlflow.run.fused import groups

Node = TableName | Check


def edges(plan: Plan) -> dict[Node, set[Node]]:
    """Return what each block and each assertion waits for: those that are counted together, for the first of them."""
    nodes = plan.nodes
    waits: dict[Node, set[Node]] = {
        name: set(plan.graph.inputs[name] & nodes) for name in plan.graph.order if name in nodes
    }
    for item in plan.checks:
        waits[item] = set(item.after & nodes)
        for name in item.holds & nodes:
            waits[name].add(item)
    for first, *others in groups(plan):
        for item in others:
            waits[item].add(first)
    return _without_loops(waits)


def _without_loops(waits: dict[Node, set[Node]]) -> dict[Node, set[Node]]:
    """Return the edges without those that make blocks and assertions wait for one another in a ring.

    Such a reader is built before the assertion on its input has passed; publishing waits for it all the same.
    """
    while True:
        try:
            TopologicalSorter(waits).prepare()
        except CycleError as error:
            ring: list[Node] = error.args[1]
            for before, after in pairwise(ring):
                if isinstance(before, Check) and not isinstance(after, Check):
                    waits[after].discard(before)
                    break
        else:
            return waits
