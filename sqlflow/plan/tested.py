"""The plan of a run that builds nothing: assertions on what is published."""

from collections.abc import Iterable, Iterator

from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Check, Plan, assertions_read, checks_of, relations_of
from sqlflow.plan.reuse import Step


def test_plan(
    graph: Graph, chosen: frozenset[TableName], current: Current, asked: Iterable[Check] | None = None
) -> Plan:
    """Return the plan that builds nothing and runs the assertions of the chosen blocks, or those `asked`, on what is published.

    A block that has never been built is a problem.
    """
    flag = graph.project.environment.flag
    problems = [
        Problem(
            f"`{name}` has never been built",
            Place(graph.project.blocks[name].source.path),
            f"run `sqlflow build {name}{flag}`",
        )
        for name in sorted(graph.upstream(chosen, 0) & relations_of(graph.project) - set(current.published))
    ]
    problems += _unread(graph, chosen, current)
    steps = tuple(
        Step(
            name,
            "inline" if graph.project.blocks[name].config.materialize == "ephemeral" else "skip",
            "assertions only",
        )
        for name in graph.order
    )
    nothing: frozenset[TableName] = frozenset()
    found = checks_of(graph, chosen) if asked is None else asked
    checks = tuple(Check(check.assertion, nothing, nothing, nothing) for check in found)
    carried = {name: current.sources.get(name, "") for name in graph.project.elsewhere}
    return Plan(graph, steps, checks, (), tuple(problems), carried=carried)


def _unread(graph: Graph, chosen: frozenset[TableName], current: Current) -> Iterator[Problem]:
    """Yield the blocks that an assertion on the chosen ones reads beside them and that have never been built."""
    missing = relations_of(graph.project) - set(current.published) - chosen
    for assertion, gates, read in assertions_read(graph) if missing else ():
        for name in sorted(read & missing) if gates & chosen else ():
            message = f"the assertion `{assertion.name}` reads `{name}`, which has never been built"
            yield Problem(message, assertion.place, f"run `sqlflow build {name}{graph.project.environment.flag}`")
