"""The pipelines of a project, read only where there are any: a project without them does not pay for them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph
from sqlflow.plan.selection import selected

if TYPE_CHECKING:
    from sqlflow.core.pipeline import Pipeline
    from sqlflow.plan.pipelines import Resolved


def pipelines_of(graph: Graph) -> "tuple[Resolved, ...]":
    """Return the pipelines with their blocks. Raise ProjectError with every fault of their files."""
    if not (graph.project.root / "pipelines").is_dir():
        return ()
    from sqlflow.plan.pipelines import resolved
    from sqlflow.read.pipelines import read_pipelines

    return resolved(graph, read_pipelines(graph.project.root).values())


def selected_for(
    graph: Graph, pipeline: "Pipeline | None", select: Iterable[str], exclude: Iterable[str]
) -> frozenset[TableName]:
    """Return the blocks that a selection names; without one, those of the pipeline.

    Raise UsageError if it names none, and ProjectError for a block that is heavier than the pipeline's pool.
    """
    words = tuple(select)
    if pipeline is None:
        return selected(graph, words, exclude)
    from sqlflow.plan.pipelines import blocks_of, fitting

    chosen = selected(graph, words, exclude) if words else blocks_of(graph, pipeline, exclude)
    return fitting(graph, pipeline, chosen)
