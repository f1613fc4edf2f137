"""What each target sees of a project whose blocks are built in several, and in which order they are worked on."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Assertion, Block, Project
from sqlflow.core.errors import Problem
from sqlflow.core.names import TableName
from sqlflow.plan.current import NOTHING_KNOWN
from sqlflow.plan.graph import Graph, Resolver, place_of
from sqlflow.plan.plan import Check, checks_of, taking_part


def part(project: Project, target: str) -> Project:
    """Return a project as one of its targets sees it: its own blocks, and those of the others as something to read."""
    if not project.targets:
        return project
    named = {name: project.target_of(block).name for name, block in project.blocks.items()}
    own = {name: block for name, block in project.blocks.items() if named[name] == target}
    return replace(
        project,
        target=project.targets.get(target, project.target),
        targets={},
        blocks=own,
        elsewhere={name: there for name, there in named.items() if there != target},
        assertions=tuple(one for one in project.assertions if (one.target or project.target.name) == target),
        unit_tests=tuple(one for one in project.unit_tests if one.block in own),
    )


def all_targets(graph: Graph) -> tuple[str, ...]:
    """Return the targets that have blocks or assertions of a project, in order; the chosen one where there are none."""
    project = graph.project
    found = {project.target_of(block).name for block in project.blocks.values()}
    found |= {target_of(one, project) for one in project.assertions}
    return _in_order(found, graph) or (project.target.name,)


def _in_order(targets: Iterable[str], graph: Graph) -> tuple[str, ...]:
    """Return targets in the order in which they are first needed; among equals it goes by name."""
    first: dict[str, int] = {}
    for name, level in _levels(graph).items():
        target = graph.project.target_of(graph.project.blocks[name]).name
        first[target] = min(level, first.get(target, level))
    return tuple(sorted(targets, key=lambda name: (first.get(name, len(graph.order)), name)))


def targets_of(graph: Graph, chosen: frozenset[TableName], exports: bool = False) -> tuple[str, ...]:
    """Return the targets that building the chosen blocks may have to do with, in order; with `exports`, those that it exports
    to as well.
    """
    project = graph.project
    if not project.targets:
        return (project.target.name,)
    along = frozenset(taking_part(graph, chosen, NOTHING_KNOWN))
    checks = checks_of(graph, along)
    names = graph.upstream(along.union(*(check.reads for check in checks)))
    found = {project.target_of(project.blocks[name]).name for name in names}
    found |= exported_to(graph, names) if exports else set()
    return _in_order(found | {target_of(check.assertion, project) for check in checks}, graph)


def exported_to(graph: Graph, names: Iterable[TableName]) -> frozenset[str]:
    """Return the targets into whose tables blocks export."""
    return frozenset(export.target for name in names for export in graph.project.blocks[name].flow.tables)


class Stage(Struct, frozen=True):
    """What is done in one target before anything that needs it is done in another.

    `reasons` says of each block why it takes part; `checks` are the assertions that can run then.
    """

    target: str
    reasons: Mapping[TableName, str]
    checks: tuple[Check, ...]


def stages(graph: Graph, reasons: Mapping[TableName, str], checks: Iterable[Check]) -> tuple[Stage, ...]:
    """Return what takes part in a run, by target, in an order in which it can be done.

    A target comes again where its blocks read what another makes of its own. Ephemeral blocks are where their readers are.
    """
    project, level = graph.project, _levels(graph)
    blocks: dict[tuple[int, str], dict[TableName, str]] = {}
    for name in graph.order:
        if name in reasons and project.blocks[name].config.materialize != "ephemeral":
            place = level[name], project.target_of(project.blocks[name]).name
            blocks.setdefault(place, {}).update(_with_ephemerals(graph, name, reasons))
    asked: dict[tuple[int, str], list[Check]] = {}
    for check in checks:
        asked.setdefault(_place(check, project, level), []).append(check)
    places = sorted({*blocks, *asked})
    return tuple(Stage(place[1], blocks.get(place, {}), tuple(asked.get(place, ()))) for place in places)


def _levels(graph: Graph) -> dict[TableName, int]:
    """Return how often the way to each block goes from one target into another, at most."""
    project, found = graph.project, dict[TableName, int]()
    for name in graph.order:
        target = project.target_of(project.blocks[name])
        found[name] = max(
            (found[read] + (project.target_of(project.blocks[read]) != target) for read in graph.inputs[name]),
            default=0,
        )
    return found


def _with_ephemerals(graph: Graph, name: TableName, reasons: Mapping[TableName, str]) -> dict[TableName, str]:
    """Return a block, and the ephemeral ones that are a part of it, each with its reason."""
    found, waiting = {name: reasons[name]}, [name]
    while waiting:
        for read in graph.inputs[waiting.pop()]:
            if graph.project.blocks[read].config.materialize == "ephemeral" and read not in found:
                found[read] = reasons.get(read, "ephemeral")
                waiting.append(read)
    return found


def _place(check: Check, project: Project, level: Mapping[TableName, int]) -> tuple[int, str]:
    target = target_of(check.assertion, project)
    needed = (
        level[name] + (project.target_of(project.blocks[name]).name != target) for name in check.reads | check.after
    )
    return max(needed, default=0), target


def target_of(assertion: Assertion, project: Project) -> str:
    """Return the name of the target in which an assertion runs: where its block is built, or as its file says."""
    if assertion.block is not None:
        return project.target_of(project.blocks[assertion.block]).name
    return assertion.target or project.target.name


def problems(graph: Graph) -> Iterator[Problem]:
    """Yield the ephemeral blocks that are read from another target, where they cannot be a part of their reader."""
    project = graph.project
    if not project.targets:
        return
    resolver = Resolver(project)
    for name, inputs in graph.inputs.items():
        block = project.blocks[name]
        for read in sorted(inputs):
            other = project.blocks[read]
            if other.config.materialize == "ephemeral" and project.target_of(other) != project.target_of(block):
                yield _problem(block, other, project, resolver)


def _problem(reader: Block, read: Block, project: Project, resolver: Resolver) -> Problem:
    code, place = reader.code, reader.source.place(reader.body)
    for written in sorted(code.inputs) if code else ():
        if code and resolver.link(written, reader.name.schema).name == read.name:
            place = place_of(code, written) or place
    message = (
        f"`{reader.name}` is built in `{project.target_of(reader).name}`, and `{read.name}` is ephemeral in"
        f" `{project.target_of(read).name}`: it has no rows that could be carried over"
    )
    return Problem(message, place, f"give `{read.name}` the same `target`, or `materialize: view`")
