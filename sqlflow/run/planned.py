"""The plan of a run, with what is known of files, of what is installed, and of which blocks are wanted."""

from dataclasses import replace

from sqlflow.core.engine import Session
from sqlflow.core.names import TableName
from sqlflow.plan import plan as planning
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Graph
from sqlflow.plan.plan import Plan
from sqlflow.plan.ranges import NOTHING_ASKED, Asked
from sqlflow.read.runtimes import missing
from sqlflow.read.versions import file_versions
from sqlflow.run.conditions import unwanted
from sqlflow.run.kept import contents_of, keep


def made_plan(
    graph: Graph, chosen: frozenset[TableName], current: Current, full_refresh: bool, session: Session | None = None,
    asked: Asked = NOTHING_ASKED,
) -> Plan:  # fmt: skip
    """Return the plan, with problems for blocks that cannot be built since something is not installed.

    Without a session, the queries of `when` are not asked.
    """
    project = graph.project
    contents = contents_of(project.root)
    files = file_versions(project, contents)
    keep(project.root, contents)
    not_wanted = unwanted(project, current, session.rows if session else None)
    made = planning.plan(graph, chosen, current, files, full_refresh, unwanted=not_wanted, asked=asked)
    lacking = missing(made.block(name) for name in made.built)
    may_skip = {name for name in lacking if made.block(name).config.if_missing == "skip"}
    absent = {name: lacking[name][0].message.partition(": ")[2] for name in may_skip}
    if absent:
        made = planning.plan(graph, chosen, current, files, full_refresh, absent, not_wanted, asked)
    needed = (problem for name in made.built if name in lacking for problem in lacking[name])
    return replace(made, lacking=tuple(needed))
