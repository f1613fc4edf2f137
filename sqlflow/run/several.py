"""A run over the targets that it holds: planned as a whole, and again target by target when what they read is there."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from sqlflow.core.engine import Session
from sqlflow.core.errors import BuildError
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName
from sqlflow.plan import plan as planning
from sqlflow.plan.current import NOTHING_KNOWN, Current
from sqlflow.plan.exports import NO_EXPORTS, Exports
from sqlflow.plan.graph import Graph
from sqlflow.plan.parts import Stage
from sqlflow.plan.plan import Plan
from sqlflow.plan.ranges import NOTHING_ASKED, AskedRanges
from sqlflow.read.project import renderer_of
from sqlflow.run.idle import free_leases, is_idle
from sqlflow.run.lease import Leases
from sqlflow.run.listing import Listing
from sqlflow.run.options import Options
from sqlflow.run.planned import Across, across, looked_at, made_plan, read_of, unread
from sqlflow.run.report import Report
from sqlflow.run.target import Held, Opened, is_there, opened

if TYPE_CHECKING:
    from sqlflow.run.due import Places
    from sqlflow.run.elsewhere import Origins
    from sqlflow.run.execute import Results, Share
    from sqlflow.run.unit_tests import UnitTests

TestsOf: TypeAlias = "Callable[[Held], UnitTests]"


def version_in(
    graph: Graph, there: Mapping[str, Opened], may_write: bool, name: TableName, relation: TableName
) -> str:  # fmt: skip
    """Return what tells the rows of a relation that holds a block from others, asked of the block's target."""
    from sqlflow.run import elsewhere

    block = graph.project.blocks[name]
    target = graph.project.target_of(block)
    with closing(there[target.name].connection.session()) as session:
        return elsewhere.version(block, relation, target.engine, session, may_write)


def _exports_of(plan: Plan, places: "Places", adopt: bool) -> Exports:
    """Return the exports that are still to be made; most projects have none, and never load what makes them."""
    if not any(plan.project.blocks[name].flow.has_exports for name in plan.nodes):
        return NO_EXPORTS
    from sqlflow.run.due import exports_of

    return exports_of(plan, places, adopt)


def _checked(plans: Mapping[str, Plan], sessions: Mapping[str, Session]) -> Mapping[str, Plan]:
    """Return plans with what is wrong with the queries that they would run; where none would, nothing is looked at."""
    if not any(plan.built for plan in plans.values()):
        return plans
    from sqlflow.run.static_check import with_faults

    return with_faults(plans, sessions, is_shown=True)


def checked_anew(parts: Mapping[str, Graph], chosen: frozenset[TableName]) -> Mapping[str, Plan]:
    """Return the checked plans of a build in targets that are all new, so that a faulty project makes none of them.

    Where one is there it is empty: blocks of the others may read what is in it. Raise ProjectError for faults.
    """
    if any(is_there(part.project) for part in parts.values()):
        return {}
    from sqlflow.run.static_check import with_faults

    plans = {name: planning.plan(part, chosen & part.inputs.keys(), Current({})) for name, part in parts.items()}
    return _faultless(with_faults(plans))


def checked_in(there: Mapping[str, Opened], plans: Mapping[str, Plan]) -> Mapping[str, Plan]:
    """Return the plans of a build, checked by what its targets hold. Raise ProjectError for faults."""
    from sqlflow.run.static_check import with_faults

    return _faultless(with_faults(plans, {name: one.session for name, one in there.items()}, make_folder=True))


def _faultless(checked: Mapping[str, Plan]) -> Mapping[str, Plan]:
    planning.refuse(fault for plan in checked.values() for fault in plan.faults)
    return checked


def overview(
    graph: Graph, parts: Mapping[str, Graph], chosen: frozenset[TableName], offline: bool, adopt: bool, full_refresh: bool
) -> Across:  # fmt: skip
    """Return what a build would do in each target, with the faults that keep it from it. Nothing is changed."""
    with ExitStack() as stack:
        there = {
            name: Opened(part, *stack.enter_context(opened(part.project, readonly=True)))
            for name, part in parts.items()
            if not offline and is_there(part.project)
        }
        unknown = NOTHING_KNOWN if offline else Current({})
        currents = {
            name: looked_at(part, there[name].connection, there[name].session, adopt) if name in there else unknown
            for name, part in parts.items()
        }

        sessions = {name: one.session for name, one in there.items()}
        found = across(
            graph, parts, currents, chosen, full_refresh, partial(version_in, graph, there, False), sessions
        )  # fmt: skip
        return replace(
            found,
            plans=_checked(found.plans, sessions),
            exports=_exports_of(
                found.plan, {name: (one.connection, one.session) for name, one in there.items()}, adopt
            ),
        )


class Several(Struct):
    """One build over the targets that are open for it, by name."""

    graph: Graph
    there: Mapping[str, Opened]
    adopt: bool
    full_refresh: bool
    tests_of: TestsOf
    chosen: frozenset[TableName]
    asked: AskedRanges = NOTHING_ASKED
    held: Mapping[str, Held] = field(default_factory=dict)
    """The targets, once their leases are taken."""
    listings: dict[str, Listing] = field(default_factory=dict)
    leases: dict[str, Leases] = field(default_factory=dict)
    """What was seen before they were."""
    currents: dict[str, Current] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    """The targets that something was done in."""
    plans: list[Plan] = field(default_factory=list)
    """What was done so far."""

    def before(self) -> Across | None:
        """Return what is to be done, without the leases; None where it cannot be told without."""
        for name, one in self.there.items():
            found = free_leases(one.session)
            if found is None:
                return None
            self.leases[name] = found
        self.listings = {name: Listing(one.connection) for name, one in self.there.items()}
        return self._across(may_write=False)

    def is_idle(self, todo: Across, options: Options) -> bool:
        """Tell whether a build would change nothing in any target."""
        environment = self.graph.project.environment
        return not (todo.exports.due or todo.exports.problems) and all(
            is_idle(todo.plans[name], options, one.connection, self.listings[name], one.session, environment)
            for name, one in self.there.items()
        )

    def across(self, held: Mapping[str, Held], before: Across | None) -> Across:
        """Return what is to be done, now that the leases are taken: as `before` if nothing can have changed since.

        Raise BuildError for exports that cannot be made.
        """
        self.held = held
        if before is None or not all(self.leases[name].until(one.lease, one.session) for name, one in held.items()):
            self.listings = {}
            before = self._across(may_write=True)
        for current in self.currents.values():
            current.entries.read()  # before anything changes, and in the thread that the session belongs to
        if before.exports.problems:
            raise BuildError(before.exports.problems)
        return before

    def _across(self, may_write: bool) -> Across:
        self.currents = {
            name: looked_at(one.graph, one.connection, one.session, self.adopt, self.listings.get(name))
            for name, one in self.there.items()
        }
        parts = {name: one.graph for name, one in self.there.items()}
        version = partial(version_in, self.graph, self.there, may_write)
        sessions = {name: one.session for name, one in self.there.items()}
        found = across(
            self.graph, parts, self.currents, self.chosen, self.full_refresh, version, sessions, self.asked
        )  # fmt: skip
        places = {name: (self.listings.get(name, one.connection), one.session) for name, one in self.there.items()}
        return replace(found, exports=_exports_of(found.plan, places, self.adopt))

    def execute(self, todo: Across, options: Options, tell: Listener) -> Report:
        """Build, check and publish it, and return the report."""
        # A build with nothing to do never comes here: half of what is imported on this floor is for the others.
        from sqlflow.run.execute import Share, execute, ready, whole_of

        tests = {name: self.tests_of(held) for name, held in self.held.items()}
        whole = whole_of(todo.plan, self.graph, self.held, todo.plans, tests)
        run = next(iter(self.held.values())).lease.owner
        if len(self.held) == 1:
            ((name, held),) = self.held.items()
            only = Share(todo.plans[name], held, renderer_of(held.project))
            return execute(whole, [ready(only)], run, options, tell)
        return execute(whole, [partial(self._share, stage) for stage in todo.stages], run, options, tell)

    def _share(self, stage: Stage, results: "Results") -> "Share":
        """Return what is to be done in one target now that all is there that it reads."""
        from sqlflow.run.execute import Share

        held = self.held[stage.target]
        part, project = held.graph, held.project
        relations = {name: result.relation for name, result in results.items() if result.relation is not None}
        so_far = {name: relation for name, relation in relations.items() if name in project.blocks}
        origins = self._origins(read_of(self.graph, stage.reasons, stage.checks) & project.elsewhere.keys(), relations)
        carried = {name: version_in(self.graph, self.held, True, name, one.relation) for name, one in origins.items()}
        current = self._current(stage.target)
        current = replace(
            current, published={**current.published, **so_far}, sources={**current.sources, **carried}
        )  # fmt: skip
        gone = unread(self.graph, part, self.plans)
        chosen = self.chosen & part.inputs.keys()
        made = made_plan(
            part, chosen, current, self.full_refresh, held.session, self.asked, stage.reasons, stage.checks, gone
        )  # fmt: skip
        self.plans.append(made)
        return Share(made, held, renderer_of(project), origins, so_far)

    def _current(self, target: str) -> Current:
        """Return what a target shows, asked again where this run has built something in it."""
        if target in self.done:
            one = self.held[target]
            return looked_at(one.graph, one.connection, one.session, self.adopt)
        self.done.add(target)
        return self.currents[target]

    def _origins(self, names: frozenset[TableName], relations: Mapping[TableName, TableName]) -> "Origins":
        """Return where the blocks of other targets are: their new versions, or what is published."""
        from sqlflow.run.elsewhere import Origin

        found = {}
        for name in names:
            target = self.graph.project.target_of(self.graph.project.blocks[name])
            relation = relations.get(name) or self.currents[target.name].published.get(name)
            if relation is not None:
                held = self.held[target.name]
                found[name] = Origin(target, relation, partial(held.connection.session, held.lease.owner))
        return found
