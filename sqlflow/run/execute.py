"""Executes plans: builds and checks side by side in the right order, then publishes."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from msgspec import Struct

from sqlflow.core import events
from sqlflow.core.environment import Environment
from sqlflow.core.errors import Cancelled, SqlflowError
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName
from sqlflow.plan.graph import Graph, Resolver
from sqlflow.plan.plan import Plan
from sqlflow.plan.unit_tests import tests_of
from sqlflow.plan.versions import version_relation
from sqlflow.read.render import Renderer
from sqlflow.run import sources, state
from sqlflow.run.attempts import Attempts
from sqlflow.run.compose import Binder
from sqlflow.run.elsewhere import Origins
from sqlflow.run.finish import TIMED_OUT, Done, Publishing, Worked, heard, keep_results, stopped, swept
from sqlflow.run.lease import described
from sqlflow.run.loop import Loop
from sqlflow.run.options import Options
from sqlflow.run.pools import pools_of
from sqlflow.run.report import BlockResult, Report
from sqlflow.run.signals import told_to
from sqlflow.run.tally import Tally
from sqlflow.run.target import Held
from sqlflow.run.tested_first import TestedFirst
from sqlflow.run.unit_tests import UnitTests
from sqlflow.run.work import Work
from sqlflow.run.workers import Workers


class Share(Struct, frozen=True):
    """What a run does in one target at once: a plan, and what it is executed with.

    `origins` tells where the blocks of other targets are, and `so_far` which relations this run has for blocks of this one already.
    """

    plan: Plan
    held: Held
    renderer: Renderer
    origins: Origins = {}
    so_far: Mapping[TableName, TableName] = {}


Results = Mapping[TableName, BlockResult]
Next = Callable[[Results], Share]
"""Returns what is to be done, given what has become of the blocks so far."""


class Whole(Struct, frozen=True):
    """What is known of a run before it begins: the graph of the project, the targets, and how much is to be done.

    `tests` runs the unit tests of what the `plans` build, by target, before any of it is built: if one fails, its block fails.
    """

    graph: Graph
    held: Mapping[str, Held]
    environment: Environment
    blocks: int
    assertions: int
    unit_tests: int
    pools: Mapping[str, int]
    plans: Mapping[str, Plan]
    tests: Mapping[str, UnitTests]


def binder_of(plan: Plan, published: Mapping[TableName, TableName], run: str) -> Binder:
    """Return which relation each block is in a run: its new version, or the one that is published."""
    relations = {name: relation for name, relation in published.items() if name in plan.project.blocks}
    relations |= {name: version_relation(name, run) for name in plan.built} | dict(plan.reused)
    relations |= sources.relations(plan.project, plan.files, run, plan.carried)
    queries = {name: query for name in plan.inlined if (query := plan.project.blocks[name].query) is not None}
    relations = {name: relation for name, relation in relations.items() if name not in queries}
    return Binder(plan.project, Resolver(plan.project), relations, queries)


def whole_of(
    plan: Plan, graph: Graph, held: Mapping[str, Held], plans: Mapping[str, Plan], tests: Mapping[str, UnitTests]
) -> Whole:
    """Return what is known of the run of a plan over some targets, each with its own."""
    tested = len(tests_of(graph, plan.built)) if tests else 0
    environment, pools = graph.project.environment, pools_of(plan)
    return Whole(graph, held, environment, len(plan.built), len(plan.checks), tested, pools, plans, tests)


def execute(whole: Whole, shares: Iterable[Next], run: str, options: Options, tell: Listener) -> Report:
    """Build and check what the shares say, one after the other, then publish, and return the report.

    Each target publishes in one transaction, in the order of the shares; nothing is published anywhere before all has been
    built and checked. Faults of blocks, assertions and publishing are in the report. A signal stops the running statements and
    publishes nothing.
    """
    tell = _one_at_a_time(tell)
    tally = Tally(whole.graph, ", ".join(whole.held), run, tell, options.fail_fast)
    return _Execution(whole, shares, run, options, tell, tally).report()


def ready(share: Share) -> Next:
    """Return what gives a share that depends on nothing that the run has yet to build."""
    return lambda results: share


def _one_at_a_time(tell: Listener) -> Listener:
    """Return a listener that workers may call at any time: it hears one event after the other."""
    lock = threading.Lock()

    def locked(event: events.Event) -> None:
        with lock:
            tell(event)

    return locked


@contextmanager
def _alarm(seconds: float | None, stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` after so many seconds, unless the work inside has ended before."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, stop, (TIMED_OUT,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@dataclass
class _Execution:
    """One run while it lasts: what its loops have worked through is kept, and published where it may be."""

    whole: Whole
    shares: Iterable[Next]
    run: str
    options: Options
    tell: Listener
    tally: Tally
    done: Done = field(default_factory=queue.SimpleQueue)
    worked: dict[str, list[Worked]] = field(default_factory=dict)
    """What was worked through, by target."""
    first: TestedFirst = field(init=False)

    def __post_init__(self) -> None:
        self.first = TestedFirst(self.whole.tests, self.tally, self.options.threads, self.done)
        for tests in self.whole.tests.values():
            tests.tell = self.tell

    def report(self) -> Report:
        whole = self.whole
        started = events.RunStarted(
            self.run,
            self.tally.targets,
            whole.environment.name,
            whole.blocks,
            whole.assertions,
            whole.unit_tests,
            whole.pools,
        )
        with told_to(self._signal), _alarm(self.options.timeout, self._signal):
            self.tell(started)
            try:
                self._work()
            except Cancelled as error:
                return stopped(error, self.tally, self.options, self.tell)
            except SqlflowError as error:
                self.tell(events.NotPublished(self.run, str(error)))
                return self.tally.report("failed", problems=error.problems, exit_code=error.exit_code)
            if signal := heard(self.done):
                return stopped(signal, self.tally, self.options, self.tell)
            return Publishing(self.worked, self.tally, self.options, self.done, self.tell, held=whole.held).report()

    def _signal(self, exit_code: int) -> None:
        """Say that the run has been told to end. Any thread and any signal handler may call this."""
        self.done.put((None, Cancelled(exit_code)))

    def _work(self) -> None:
        """Test all first, then work through the shares."""
        try:
            self.first.test(self.whole.plans.values())
            for make in self.shares:
                self._work_through(make(self.tally.results))
        finally:
            self.first.close()

    def _work_through(self, share: Share) -> None:
        plan, held, lease = share.plan, share.held, share.held.lease
        target = plan.project.target.name
        work = self._work_of(share, is_first=target not in self.worked)
        if target not in self.worked and lease.interrupted:
            self.tell(events.Warned(self.run, f"{described(lease.interrupted)}, was interrupted"))
        self.worked.setdefault(target, []).append(Worked(plan, held, work))
        self.tally.begin(plan)
        try:
            self.first.test([plan])
            Loop(
                plan, self.options.threads, Attempts(work, self.tally, self.first.refused), self.tally, self.done
            ).run()
        finally:
            keep_results(self.tally, held, work, self.tell)
        _recorded(work, held)

    def _work_of(self, share: Share, is_first: bool) -> Work:
        plan, held = share.plan, share.held
        if is_first:
            swept(held, [relation.name for relation in _used(plan)], self.tell)
        session = held.connection.session()
        try:
            shown = state.read_from(held.connection, session, held.lease.environment)
            binder = binder_of(plan, {**shown, **share.so_far}, self.run)
        finally:
            session.close()
        tests = self.whole.tests.get(plan.project.target.name)
        workers = tests.workers if tests else Workers(plan.project.root)
        open_session = partial(held.connection.session, self.run)
        return Work(self.run, binder, share.renderer, plan, workers, open_session, self.tell, share.origins)


def _recorded(work: Work, held: Held) -> None:
    """Write what could not yet be kept of versions: without it nothing may be published. Raise what the target says."""
    if work.records.waiting:
        session = held.connection.session()
        try:
            work.records.close(session)
        finally:
            session.close()


def _used(plan: Plan) -> Iterator[TableName]:
    """Yield what is there and the run needs, although nothing may show it."""
    yield from (*plan.reused.values(), *plan.bases.values())
    for ranges in plan.ranges.values():
        yield from ranges.found.values()
