"""What is done in each target that a project has blocks in, beside building: testing, promoting, taking back, cleaning."""

from collections.abc import Iterable, Mapping
from functools import partial

from msgspec.structs import replace

from sqlflow.core.environment import Environment
from sqlflow.core.errors import BuildError
from sqlflow.core.events import Listener, Warned
from sqlflow.core.names import TableName
from sqlflow.plan import plan as planning
from sqlflow.plan.current import Current
from sqlflow.plan.graph import Graph
from sqlflow.plan.parts import target_of
from sqlflow.plan.plan import Plan, checks_of
from sqlflow.plan.promote import Promotion, promoted
from sqlflow.plan.ranges import AskedRanges
from sqlflow.plan.tested import test_plan
from sqlflow.read.project import renderer_of
from sqlflow.run import environments, history, publish, state
from sqlflow.run.elsewhere import Origin, Origins
from sqlflow.run.environments import Listed
from sqlflow.run.execute import Share, execute, ready, whole_of
from sqlflow.run.failures import Failure, latest
from sqlflow.run.lease import refuse_others
from sqlflow.run.options import Options
from sqlflow.run.planned import across, looked_at, merged, published, read_of, together
from sqlflow.run.promotion import warnings
from sqlflow.run.report import Report
from sqlflow.run.rollback import Rollback, roll_back
from sqlflow.run.several import version_in
from sqlflow.run.sweep import sweep
from sqlflow.run.target import Held, opened
from sqlflow.run.waiting import waited


def tested(
    graph: Graph, held: Mapping[str, Held], chosen: frozenset[TableName], options: Options, tell: Listener
) -> Report:  # fmt: skip
    """Run the assertions of the chosen blocks on what is published, each in its target, and return the report."""
    currents = {name: published(one.project, one.connection, one.session) for name, one in held.items()}
    planning.refuse(test_plan(graph, chosen, together(currents)).problems)
    checks = checks_of(graph, chosen)
    origins = _origins(graph, held, currents, read_of(graph, (), checks))
    plans = {}
    for name, one in held.items():
        asked = [check for check in checks if target_of(check.assertion, graph.project) == name]
        current = _carrying(graph, held, currents[name], one, origins)
        plans[name] = test_plan(one.graph, chosen & one.project.blocks.keys(), current, asked)
    return _executed(graph, held, plans, origins, options, tell)


def promoted_from(
    graph: Graph, held: Mapping[str, Held], source: Environment, chosen: frozenset[TableName], options: Options,
    tell: Listener,
) -> Report:  # fmt: skip
    """Publish what an environment shows, build nothing, and return the report. See `promoted` for what is refused."""
    here = {name: looked_at(one.graph, one.connection, one.session, False) for name, one in held.items()}
    taken = [problem for current in here.values() for problem in current.problems]
    if taken:
        raise BuildError(taken)
    there = {
        name: replace(publish.current(one.connection, one.session, source, (), True), sources=here[name].sources)
        for name, one in held.items()
    }
    parts = {name: one.graph for name, one in held.items()}
    version = partial(version_in, graph, held, True)
    made = across(graph, parts, there, chosen, False, version, asked=AskedRanges(as_shown=True))
    promotions = {
        name: Promotion(source, made.plans[name], there[name], here[name], state.built_at(one.session))
        for name, one in held.items()
    }
    plans = {name: promoted(promotion) for name, promotion in promotions.items()}
    for name, one in held.items():
        for warning in warnings(promotions[name], one.session):
            tell(Warned(one.lease.owner, warning))
    origins = _origins(graph, held, there, frozenset(graph.inputs))
    return _executed(graph, held, plans, origins, options, tell)


def _executed(
    graph: Graph, held: Mapping[str, Held], plans: Mapping[str, Plan], origins: Origins, options: Options, tell: Listener
) -> Report:  # fmt: skip
    """Execute plans that build nothing, one in each target, and return the report."""
    whole = whole_of(merged(graph, plans), graph, held, plans, {})
    shares = [Share(plans[name], one, renderer_of(one.project), origins) for name, one in held.items()]
    run = next(iter(held.values())).lease.owner
    return execute(whole, map(ready, shares), run, options, tell)


def _origins(
    graph: Graph, held: Mapping[str, Held], currents: Mapping[str, Current], names: Iterable[TableName]
) -> Origins:
    """Return where those of the blocks are that are published."""
    found = {}
    for name in names:
        target = graph.project.target_of(graph.project.blocks[name])
        relation = currents[target.name].published.get(name) if target.name in currents else None
        if relation is not None:
            one = held[target.name]
            found[name] = Origin(target, relation, partial(one.connection.session, one.lease.owner))
    return found


def _carrying(graph: Graph, held: Mapping[str, Held], current: Current, one: Held, origins: Origins) -> Current:
    """Return what a target shows, with the versions of the blocks of others."""
    names = origins.keys() & one.project.elsewhere.keys()
    carried = {name: version_in(graph, held, True, name, origins[name].relation) for name in names}
    return replace(current, sources={**current.sources, **carried})


def refuse_unknown(held: Mapping[str, Held], environment: Environment) -> None:
    """Raise UsageError if no target shows anything in the environment."""
    known: set[str] = set()
    for one in held.values():
        known |= set(state.known_environments(one.connection, one.session))
    if environment.name not in known:
        raise state.unknown(environment, sorted(known))


def taken_back(held: Mapping[str, Held]) -> Rollback:
    """Take the latest run's publish back in every target in which it has published, and return what that was.

    Nothing is changed anywhere if one of them cannot go back.
    """
    latest = {name: history.latest(one.session, one.lease.environment) for name, one in held.items()}
    newest = max((last.run for last in latest.values() if last is not None), default="")
    ready = [
        roll_back(one.connection, one.session, one.project, one.lease)
        for name, one in held.items()
        if ((last := latest[name]) is not None and last.run == newest) or not newest
    ]
    done = [go() for go in ready]
    for one in held.values():
        publish.copy(one.connection, one.session, one.lease.environment)
    return replace(
        done[0],
        put_back=tuple(name for part in done for name in part.put_back),
        dropped=tuple(name for part in done for name in part.dropped),
    )


def dropped(held: Mapping[str, Held]) -> tuple[TableName, ...]:
    """Take an environment away in each target, and return its relations that were dropped."""
    return tuple(
        name for one in held.values() for name in environments.drop(one.connection, one.session, one.project, one.lease)
    )


def cleaned(held: Mapping[str, Held], seconds: float, lock_timeout: float, tell: Listener) -> tuple[str, ...]:
    """Drop the versions that nothing shows and that are older than `seconds`, and return their names."""
    gone: list[str] = []
    for one in held.values():
        environment = one.lease.environment
        waited(partial(refuse_others, one.connection, one.session, environment), lock_timeout, tell)
        gone += sweep(one.connection, one.session, environment, seconds=seconds)
    return tuple(gone)


def failures(parts: Iterable[Graph], wanted: str) -> tuple[Failure, ...]:
    """Return what failed, of one block or assertion or of all, in the latest run that had failures in any target."""
    found: list[Failure] = []
    for part in parts:
        with opened(part.project, readonly=True) as (connection, session):
            if state.exists(connection):
                found += latest(session, part.project.environment, wanted)
    last = max((failure.run for failure in found), default="")
    return tuple(failure for failure in found if failure.run == last)


def environments_of(parts: Iterable[Graph]) -> tuple[Listed, ...]:
    """Return the environments of all targets, each once: how much it shows in all, and who published last."""
    found: list[Listed] = []
    for part in parts:
        with opened(part.project, readonly=True) as (connection, session):
            found += environments.listed(session) if state.exists(connection) else ()
    by_name: dict[str, Listed] = {}
    for one in found:
        other = by_name.get(one.name)
        latest = one if other is None or one.published_at > other.published_at else other
        if other is not None:
            latest = replace(latest, relations=one.relations + other.relations, own=one.own + other.own)
        by_name[one.name] = latest
    return tuple(sorted(by_name.values(), key=lambda item: (item.name != "prod", item.name)))
