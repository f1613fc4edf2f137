"""From what a target shows to the plan of a run: over one target, or over several that read each other's blocks."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from sqlflow.core.block import Project
from sqlflow.core.engine import Connection, Session
from sqlflow.core.names import TableName
from sqlflow.plan import plan as planning
from sqlflow.plan.current import Current
from sqlflow.plan.exports import NO_EXPORTS, Exports
from sqlflow.plan.graph import Graph
from sqlflow.plan.parts import Stage, stages
from sqlflow.plan.plan import NOTHING_ABSENT, Check, Plan, checks_of, taking_part
from sqlflow.plan.ranges import NOTHING_ASKED, AskedRanges
from sqlflow.plan.recipes import NO_ENTRIES, Cookbook
from sqlflow.read.runtimes import missing
from sqlflow.read.versions import file_versions
from sqlflow.run import publish, source_versions, state
from sqlflow.run.conditions import unwanted
from sqlflow.run.kept import contents_of, keep
from sqlflow.run.listing import Lists

NO_SESSIONS: Mapping[str, Session] = {}
Version = Callable[[TableName, TableName], str]
"""Returns what tells the rows of a relation that holds a block from others; empty if that is not known."""


def looked_at(
    graph: Graph, connection: Connection, session: Session, adopt: bool, listing: Lists | None = None
) -> Current:
    """Return what the target shows, with the versions of the sources that blocks read."""
    project = graph.project
    current = publish.current(connection, session, project.environment, project.blocks.values(), adopt, listing)
    names = frozenset[TableName]().union(*graph.sources.values())
    return replace(current, sources=source_versions.versions(project, names, session))


def published(project: Project, connection: Connection, session: Session) -> Current:
    """Return what is published. Raise UsageError if the environment is none that has been built."""
    if not project.environment.is_prod:
        state.refuse_unknown(connection, session, project.environment)
    return publish.current(connection, session, project.environment, (), True)


def made_plan(
    graph: Graph, chosen: frozenset[TableName], current: Current, full_refresh: bool, session: Session | None = None,
    asked: AskedRanges = NOTHING_ASKED, along: Mapping[TableName, str] | None = None, given: Iterable[Check] | None = None,
    left_out: Mapping[TableName, str] = NOTHING_ABSENT,
) -> Plan:  # fmt: skip
    """Return the plan, with problems for blocks that cannot be built since something is not installed.

    Without a session, the queries of `when` are not asked. `along` says what takes part and why, `given` which assertions do, where
    that is known. `left_out` are blocks that read what is left out in another target, and why.
    """
    project = graph.project
    contents = contents_of(project.root)
    files = file_versions(project, contents)
    keep(project.root, contents)
    not_wanted = unwanted(project, current, session.rows if session else None)
    given = None if given is None else tuple(given)
    made = planning.plan(graph, chosen, current, files, full_refresh, left_out, not_wanted, asked, along, given)
    lacking = missing(made.block(name) for name in made.built)
    may_skip = {name for name in lacking if made.block(name).config.if_missing == "skip"}
    absent = {name: lacking[name][0].message.partition(": ")[2] for name in may_skip}
    if absent:
        absent = {**left_out, **absent}
        made = planning.plan(graph, chosen, current, files, full_refresh, absent, not_wanted, asked, along, given)
    needed = (problem for name in made.built if name in lacking for problem in lacking[name])
    return replace(made, lacking=tuple(needed))


class Across(Struct, frozen=True):
    """What a run over several targets does: `plans` by target, each of all that is done in it, and in which `stages`.

    `exports` are the copies that it makes, and what stands against them.
    """

    graph: Graph
    plans: Mapping[str, Plan]
    stages: tuple[Stage, ...]
    exports: Exports = NO_EXPORTS

    @property
    def plan(self) -> Plan:
        """All of it as one plan, to be looked at."""
        made, exports = merged(self.graph, self.plans), self.exports
        return replace(made, exports=exports.due, problems=(*made.problems, *exports.problems))


def across(
    graph: Graph, parts: Mapping[str, Graph], currents: Mapping[str, Current], chosen: frozenset[TableName],
    full_refresh: bool, version: Version, sessions: Mapping[str, Session] = NO_SESSIONS, asked: AskedRanges = NOTHING_ASKED,
) -> Across:  # fmt: skip
    """Return what building the chosen blocks does in each target, as far as it is known before anything is built.

    A block that is built has no known version yet: what reads it from another target counts as changed.
    """
    if len(parts) == 1:
        ((only, own),) = parts.items()
        made = made_plan(own, chosen, currents[only], full_refresh, sessions.get(only), asked)
        return Across(graph, {only: made}, ())
    not_wanted: dict[TableName, str] = {}
    for target, part in parts.items():
        ask = sessions[target].rows if target in sessions else None
        not_wanted |= unwanted(part.project, currents[target], ask)
    reasons = taking_part(graph, chosen, together(currents), not_wanted)
    order = stages(graph, reasons, checks_of(graph, frozenset(reasons)))
    plans: dict[str, Plan] = {}
    for _ in range(len(order) + 1):
        before = {target: made.built for target, made in plans.items()}
        for target, part in parts.items():
            along = {name: why for name, why in reasons.items() if name in part.project.blocks}
            given = [check for stage in order if stage.target == target for check in stage.checks]
            carried = {
                name: version(name, relation)
                for name in read_of(graph, along, given) & part.project.elsewhere.keys()
                if (relation := _relation(name, plans, currents, part.project.elsewhere[name])) is not None
            }
            left_out = unread(graph, part, plans.values())
            current = replace(currents[target], sources={**currents[target].sources, **carried})
            mine = chosen & part.inputs.keys()
            session = sessions.get(target)
            plans[target] = made_plan(part, mine, current, full_refresh, session, asked, along, given, left_out)
        if before == {target: made.built for target, made in plans.items()}:
            break
    return Across(graph, plans, order)


def together(currents: Mapping[str, Current]) -> Current:
    """Return what all targets show, as far as it says which blocks have been built."""
    found: dict[TableName, TableName] = {}
    for current in currents.values():
        found |= current.published
    return Current(found, is_known=all(current.is_known for current in currents.values()))


def read_of(graph: Graph, names: Iterable[TableName], checks: Iterable[Check]) -> frozenset[TableName]:
    """Return what the given blocks and assertions read."""
    return frozenset[TableName]().union(*(graph.inputs[name] for name in names), *(check.reads for check in checks))


def _relation(
    name: TableName, plans: Mapping[str, Plan], currents: Mapping[str, Current], target: str
) -> TableName | None:
    """Return the relation that a block of another target will be; None if it is not known yet, or there is none."""
    made = plans.get(target)
    if made is None:
        return None
    return made.reused.get(name) if name in made.nodes else currents[target].published.get(name)


def unread(graph: Graph, part: Graph, plans: Iterable[Plan]) -> dict[TableName, str]:
    """Return the blocks of a target that read what is left out, and why."""
    gone = {name for made in plans for name in made.left_out.keys() - made.as_published}
    found = {name: sorted(graph.inputs[name] & gone) for name in part.inputs} if gone else {}
    return {name: f"`{read[0]}` is left out" for name, read in found.items() if read}


def merged(graph: Graph, plans: Mapping[str, Plan]) -> Plan:
    """Return the plans of all targets as one: each says what becomes of its own blocks."""
    every = tuple(plans.values())
    if len(every) == 1 and every[0].graph is graph:
        return every[0]
    steps = {step.block: step for made in every for step in made.steps}
    keys = {name: key for made in every for name, key in made.keys.items()}
    shown = {name: one for made in every if made.cookbook for name, one in made.cookbook.published.items()}
    return Plan(
        graph,
        tuple(steps[name] for name in graph.order if name in steps),
        tuple(check for made in every for check in made.checks),
        tuple(sorted(name for made in every for name in made.removed)),
        tuple(problem for made in every for problem in made.problems),
        {name: relation for made in every for name, relation in made.reused.items()},
        keys,
        every[0].files,
        {name: why for made in every for name, why in made.left_out.items()},
        {name: readers for made in every for name, readers in made.readers.items()},
        tuple(problem for made in every for problem in made.lacking),
        tuple(problem for made in every for problem in made.faults),
        Cookbook(graph, keys, shown, NO_ENTRIES),
        frozenset(name for made in every for name in made.renewed),
        {name: relation for made in every for name, relation in made.borrowed.items()},
        {name: relation for made in every for name, relation in made.bases.items()},
        {name: ranges for made in every for name, ranges in made.ranges.items()},
    )
