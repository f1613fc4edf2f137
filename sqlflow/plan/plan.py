"""From a Graph and what is published to a Plan: what would be done to each block, and why."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sqlflow.core.block import Assertion, Block, Project
from sqlflow.core.errors import Problem, ProjectError
from sqlflow.core.names import TableName
from sqlflow.core.text import Place
from sqlflow.plan.graph import Graph, Resolver, blocks_read, gated

Action = Literal["build", "inline", "skip"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one block. `inline` is an ephemeral block: it has no relation of its own."""

    block: TableName
    action: Action
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """When an assertion runs, and what it holds back.

    It runs once the blocks `after` are built; if it fails, the blocks `gates` are not published; the blocks `holds`
    are not built before it has passed.
    """

    assertion: Assertion
    after: frozenset[TableName]
    gates: frozenset[TableName]
    holds: frozenset[TableName]


@dataclass(frozen=True)
class Plan:
    """What a run would do. `steps` are in an order in which they could be done, one for each block.

    `removed` are relations that sqlflow has published and that no block of the project makes any more.
    """

    graph: Graph
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    removed: tuple[TableName, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def project(self) -> Project:
        return self.graph.project

    @cached_property
    def built(self) -> tuple[TableName, ...]:
        """The blocks that get a new version, in order."""
        return tuple(step.block for step in self.steps if step.action == "build")

    @cached_property
    def inlined(self) -> frozenset[TableName]:
        return frozenset(step.block for step in self.steps if step.action == "inline")

    def block(self, name: TableName) -> Block:
        return self.project.blocks[name]


@dataclass(frozen=True, slots=True)
class Current:
    """What the target shows now: the relation behind each published block. Empty where that is not known."""

    published: Mapping[TableName, TableName]
    problems: tuple[Problem, ...] = ()
    is_known: bool = True


NOTHING_KNOWN = Current({}, is_known=False)


def plan(graph: Graph, chosen: frozenset[TableName], current: Current = NOTHING_KNOWN) -> Plan:
    """Return what building the `chosen` blocks would do.

    Blocks come along where the result would be wrong without them: what has never been built and is read by a block
    or by an assertion on it, and views over what is built.
    """
    reasons = dict.fromkeys(chosen, "selected")
    size = -1
    while size != len(reasons):
        size = len(reasons)
        if current.is_known:
            _add_missing_inputs(graph, reasons, current.published)
            _add_missing_in_assertions(graph, reasons, current.published)
        _add_views(graph, reasons)
    blocks = graph.project.blocks
    steps = []
    for name in graph.order:
        if blocks[name].config.materialize == "ephemeral":
            steps.append(Step(name, "inline", "ephemeral: a part of its readers"))
        elif name in reasons:
            steps.append(Step(name, "build", reasons[name]))
        else:
            steps.append(Step(name, "skip", "not selected"))
    removed = tuple(sorted(set(current.published) - _relations(graph.project)))
    checks = checks_of(graph, frozenset(reasons))
    return Plan(graph, tuple(steps), checks, removed, current.problems)


def _relations(project: Project) -> set[TableName]:
    return {name for name, block in project.blocks.items() if block.config.materialize != "ephemeral"}


def _add_missing_inputs(graph: Graph, reasons: dict[TableName, str], published: Mapping[TableName, TableName]) -> None:
    for name in reversed(graph.order):
        needed = name in reasons
        for read in graph.inputs[name] if needed else ():
            if read in reasons:
                continue
            if graph.project.blocks[read].config.materialize == "ephemeral":
                reasons[read] = "ephemeral"
            elif read not in published:
                reasons[read] = f"`{name}` reads it and it has never been built"


def _add_missing_in_assertions(
    graph: Graph, reasons: dict[TableName, str], published: Mapping[TableName, TableName]
) -> None:
    """Add what the assertions on the blocks of `reasons` read and cannot find, since it has never been built."""
    if set(graph.inputs) <= reasons.keys() | published.keys():
        return
    for assertion, gates, read in _assertions_read(graph):
        for name in sorted(read - reasons.keys()) if gates & reasons.keys() else ():
            if graph.project.blocks[name].config.materialize == "ephemeral":
                reasons[name] = "ephemeral"
            elif name not in published:
                reasons[name] = f"the assertion `{assertion.name}` reads it and it has never been built"


def _assertions_read(graph: Graph) -> Iterator[tuple[Assertion, frozenset[TableName], frozenset[TableName]]]:
    """Yield each assertion with the blocks that it gates and the blocks that it reads."""
    resolver = Resolver(graph.project)
    for assertion in all_assertions(graph.project):
        schema = assertion.block.schema if assertion.block else graph.project.target.schema
        yield assertion, gated(assertion, graph, resolver, schema), blocks_read(assertion.query, resolver, schema)


def _add_views(graph: Graph, reasons: dict[TableName, str]) -> None:
    for name in graph.order:
        block = graph.project.blocks[name]
        if name in reasons or block.config.materialize == "table":
            continue
        changed = sorted(read for read in graph.inputs[name] if read in reasons)
        if changed:
            what = "a view over" if block.config.materialize == "view" else "ephemeral over"
            reasons[name] = f"{what} `{changed[0]}`"


def checks_of(graph: Graph, building: frozenset[TableName]) -> tuple[Check, ...]:
    """Return the assertions on the blocks of `building`, each with its place in the order.

    A reader waits for an assertion on its input, unless the assertion itself waits for the reader.
    One that reads no block waits for nothing, and nothing but publishing waits for it.
    """
    checks = []
    for assertion, gates, named in _assertions_read(graph):
        if not gates & building:
            continue
        if not named and assertion.block is None:
            checks.append(Check(assertion, frozenset(), gates, frozenset()))
            continue
        read = named | gates
        if read == gates and len(gates) == 1:
            checks.append(Check(assertion, gates, gates, (graph.downstream(gates, 1) - gates) & building))
            continue
        after = graph.upstream(read) & building
        holds = graph.downstream(gates) - gates - graph.upstream(read)
        checks.append(Check(assertion, after, gates, holds & building))
    return tuple(checks)


def all_assertions(project: Project) -> Iterable[Assertion]:
    """Yield the assertions of all blocks, then those of `assertions/`."""
    for block in project.blocks.values():
        yield from block.assertions
    yield from project.assertions


def test_plan(graph: Graph, chosen: frozenset[TableName], current: Current) -> Plan:
    """Return the plan that builds nothing and runs the assertions of the chosen blocks on what is published.

    A block that has never been built is a problem.
    """
    problems = [
        Problem(
            f"`{name}` has never been built",
            Place(graph.project.blocks[name].source.path),
            f"run `sqlflow build {name}`",
        )
        for name in sorted(graph.upstream(chosen, 0) & _relations(graph.project) - set(current.published))
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
    checks = tuple(Check(check.assertion, nothing, nothing, nothing) for check in checks_of(graph, chosen))
    return Plan(graph, steps, checks, (), tuple(problems))


def _unread(graph: Graph, chosen: frozenset[TableName], current: Current) -> Iterator[Problem]:
    """Yield the blocks that an assertion on the chosen ones reads beside them and that have never been built."""
    missing = _relations(graph.project) - set(current.published) - chosen
    for assertion, gates, read in _assertions_read(graph) if missing else ():
        for name in sorted(read & missing) if gates & chosen else ():
            message = f"the assertion `{assertion.name}` reads `{name}`, which has never been built"
            yield Problem(message, assertion.place, f"run `sqlflow build {name}`")


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ProjectError if there are any problems."""
    found = tuple(problems)
    if found:
        raise ProjectError(found)
