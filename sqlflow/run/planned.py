"""The plan of a build on this machine: from the project's files as they are now, and what is installed."""

from dataclasses import replace

from sqlflow.core.names import TableName
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Plan, plan
from sqlflow.plan.ranges import NOTHING_ASKED, Asked
from sqlflow.read.runtimes import missing
from sqlflow.read.versions import file_versions
from sqlflow.run.kept import contents_of, keep


def planned(
    graph: Graph, chosen: frozenset[TableName], current: Current, full_refresh: bool, asked: Asked = NOTHING_ASKED
) -> Plan:
    """Return the plan, with problems for blocks that cannot be built since something is not installed."""
    root = graph.project.root
    contents = contents_of(root)
    files = file_versions(graph.project, contents)
    keep(root, contents)
    made = plan(graph, chosen, current, files, full_refresh, asked=asked)
    lacking = missing(made.block(name) for name in made.built)
    may_skip = {name for name in lacking if made.block(name).config.if_missing == "skip"}
    absent = {name: lacking[name][0].message.partition(": ")[2] for name in may_skip}
    if absent:
        made = plan(graph, chosen, current, files, full_refresh, absent, asked)
    needed = (problem for name in made.built if name in lacking for problem in lacking[name])
    return replace(made, lacking=tuple(needed))
