"""Which blocks pipelines are made of, and which pipelines a block is part of."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from sqlflow.core.block import Block
from sqlflow.core.errors import Problem, ProjectError, UsageError, did_you_mean
from sqlflow.core.names import TableName
from sqlflow.core.pipeline import Pipeline, Webhook
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Plan
from sqlflow.plan.selection import selected


class Resolved(Struct, frozen=True):
    """A pipeline and the blocks that it is made of, inputs included."""

    pipeline: Pipeline
    blocks: frozenset[TableName]


def resolved(graph: Graph, pipelines: Iterable[Pipeline]) -> tuple[Resolved, ...]:
    """Return the pipelines with their blocks. Raise ProjectError with all that does not fit the project."""
    problems: list[Problem] = []
    found = []
    for pipeline in pipelines:
        problems += _unknown(graph, pipeline)
        try:
            found.append(Resolved(pipeline, fitting(graph, pipeline, blocks_of(graph, pipeline))))
        except ProjectError as error:
            problems += error.problems
    if problems:
        raise ProjectError(problems)
    return tuple(found)


def _unknown(graph: Graph, pipeline: Pipeline) -> Iterator[Problem]:
    """Yield the targets and the vars that a pipeline names and that are not there."""
    targets = graph.project.config.targets or {graph.project.target.name: None}
    if pipeline.target and pipeline.target not in targets:
        hint = did_you_mean(pipeline.target, targets) or "targets: " + ", ".join(f"`{name}`" for name in targets)
        yield Problem(f"there is no target `{pipeline.target}`", pipeline.place("target"), hint)
    declared = {*graph.project.config.vars, *pipeline.vars}
    for trigger in pipeline.triggers:
        for name in trigger.vars if isinstance(trigger, Webhook) else ():
            if name not in declared:
                message = f"`triggers.webhook.vars`: no var `{name}` is declared"
                hint = did_you_mean(name, declared) or f"give it a value in `vars:` of the pipeline: `{name}: …`"
                yield Problem(message, pipeline.place("triggers"), hint)


def blocks_of(graph: Graph, pipeline: Pipeline, exclude: Iterable[str] = ()) -> frozenset[TableName]:
    """Return the blocks that a pipeline selects and all their inputs, without those that it or `exclude` leaves out.

    Raise ProjectError, at each word that names none, and UsageError for one of `exclude`.
    """
    problems: list[Problem] = []
    chosen = frozenset().union(*_named(graph, pipeline, "select", problems))
    if not pipeline.select:
        chosen = frozenset(graph.inputs)
    left_out = frozenset().union(*_named(graph, pipeline, "exclude", problems))
    if problems:
        raise ProjectError(problems)
    words = tuple(exclude)
    if words:
        left_out |= selected(graph, words)
    return (chosen | graph.upstream(chosen)) - left_out


def fitting(graph: Graph, pipeline: Pipeline, blocks: frozenset[TableName]) -> frozenset[TableName]:
    """Return the blocks. Raise ProjectError, at the size, for those that take more places than the pipeline's pool has."""
    problems = [
        _too_heavy(graph.project.blocks[name], pipeline)
        for name in sorted(blocks)
        if (block := graph.project.blocks[name]).config.weight > pipeline.pools.get(block.pool, block.config.weight)
    ]
    if problems:
        raise ProjectError(problems)
    return blocks


def _too_heavy(block: Block, pipeline: Pipeline) -> Problem:
    weight, pool = block.config.weight, block.pool
    node = pipeline.node.get("pools")
    size = node.get(pool) if node is not None else None
    return Problem(
        f"`pools.{pool}: {pipeline.pools[pool]}` is less than the weight of `{block.name}`: {weight}",
        size.place if size is not None else pipeline.place("pools"),
        f"give the pool {weight} places, or leave the block out with `exclude: [{block.name}]`",
    )


def reached(plan: Plan, pipelines: Iterable[Resolved]) -> tuple[str, ...]:
    """Return the pipelines that are made of blocks that a plan builds, or that read one of them."""
    changed = plan.graph.downstream(plan.built)
    return tuple(found.pipeline.name for found in pipelines if found.blocks & changed)


def _named(graph: Graph, pipeline: Pipeline, key: str, problems: list[Problem]) -> Iterator[frozenset[TableName]]:
    """Yield what each word of a key names; faults are added to `problems`, at the word."""
    for index, word in enumerate(getattr(pipeline, key)):
        try:
            yield selected(graph, [word]) if word.split() else frozenset()
        except UsageError as error:
            place = pipeline.place(key, index)
            problems.extend(Problem(problem.message, place, problem.hint) for problem in error.problems)
