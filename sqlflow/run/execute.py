"""Executes a plan: builds and checks side by side in the right order, then publishes."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from sqlflow.core import events
from sqlflow.core.engine import Connection, Session
from sqlflow.core.errors import Cancelled, Problem, SqlflowError
from sqlflow.core.events import Listener
from sqlflow.core.flow import PLAIN
from sqlflow.core.names import TableName
from sqlflow.plan.graph import Resolver
from sqlflow.plan.plan import Check, Plan
from sqlflow.plan.unit_tests import tests_of
from sqlflow.plan.versions import version_relation
from sqlflow.read.render import Renderer
from sqlflow.run import publish, sources, state
from sqlflow.run.attempts import Attempts
from sqlflow.run.callbacks import call_back
from sqlflow.run.compose import Binder
from sqlflow.run.exports import ExportStopped, Written, forget, put_in_place, written_aside
from sqlflow.run.lease import Lease, described
from sqlflow.run.loop import Loop
from sqlflow.run.pools import pools_of
from sqlflow.run.report import Report, RunStatus
from sqlflow.run.signals import told_to
from sqlflow.run.sweep import sweep
from sqlflow.run.tally import Tally
from sqlflow.run.unit_tests import UnitTests
from sqlflow.run.work import Work
from sqlflow.run.workers import Workers

TIMED_OUT = 1
"""What stands for an exit code where it is no signal that ends a run, but its time."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is executed."""

    threads: int = 4
    publish: Literal["all", "passing"] = "all"
    fail_fast: bool = False
    prune: bool = False
    adopt: bool = False
    cascade: bool = False
    timeout: float | None = None
    """How many seconds the run may take; then it is stopped, and nothing is published."""


def binder_of(plan: Plan, published: Mapping[TableName, TableName], run: str) -> Binder:
    """Return which relation each block is in a run: its new version, or the one that is published."""
    relations = {name: relation for name, relation in published.items() if name in plan.project.blocks}
    relations |= {name: version_relation(name, run) for name in plan.built} | dict(plan.reused)
    relations |= sources.relations(plan.project, plan.files, run)
    queries = {name: query for name in plan.inlined if (query := plan.project.blocks[name].query) is not None}
    relations = {name: relation for name, relation in relations.items() if name not in queries}
    return Binder(plan.project, Resolver(plan.project), relations, queries)


def execute(
    plan: Plan, connection: Connection, renderer: Renderer, options: Options, tell: Listener, lease: Lease,
    tests: UnitTests | None = None,
) -> Report:  # fmt: skip
    """Build, check and publish what the plan says, and return the report.

    `tests` runs the unit tests of a block before it is built: if one fails, the block fails. Faults of blocks, assertions
    and publishing are in the report. A signal stops the running statements and publishes nothing.
    """
    run = lease.owner
    session = connection.session()
    try:
        _sweep(connection, session, _names(_used(plan)), plan, lease, tell)
        binder = binder_of(plan, state.read_from(connection, session, lease.environment), run)
    finally:
        session.close()
    tell = _one_at_a_time(tell)
    workers = tests.workers if tests else Workers(plan.project.root)
    work = Work(run, binder, renderer, plan, workers, partial(connection.session, run), tell)
    if tests is not None:
        tests.tell = tell
    tally = Tally(plan, run, tell, options.fail_fast)
    loop = Loop(plan, options.threads, Attempts(work, tally, tests), tally)
    return _Execution(plan, connection, work, options, lease, tally, loop).report()


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
    """One run while it lasts: what its loop has worked through is kept, and published where it may be."""

    plan: Plan
    connection: Connection
    work: Work
    options: Options
    lease: Lease
    tally: Tally
    loop: Loop
    exports: tuple[Written, ...] = ()

    def report(self) -> Report:
        run, plan, tests = self.work.run, self.plan, self.loop.attempts.tests
        where = plan.project.target.name, self.lease.environment.name
        tested = len(tests_of(plan.graph, plan.built)) if tests else 0
        self.work.tell(events.RunStarted(run, *where, len(plan.built), len(plan.checks), tested, pools_of(plan)))
        for name, reason in self.plan.left_out.items():
            self.tally.skip(name, reason)
        if self.lease.interrupted:
            self.work.tell(events.Warned(run, f"{described(self.lease.interrupted)}, was interrupted"))
        with told_to(self.loop.signal), _alarm(self.options.timeout, self.loop.signal):
            try:
                self.loop.run()
            except Cancelled as error:
                return self._stopped(error)
            finally:
                self._keep_results()
            stopped = self.loop.heard()
            return self._stopped(stopped) if stopped else self._published()

    def _stopped(self, why: Cancelled) -> Report:
        """Finish a run that was told to end, or that took too long."""
        if why.exit_code != TIMED_OUT:
            return self.tally.report("cancelled", exit_code=why.exit_code)
        problem = Problem(f"timeout: the run took longer than {self.options.timeout:g} s")
        self.work.tell(events.NotPublished(self.work.run, f"nothing was published: {problem.message}"))
        return self.tally.report("failed", problems=(problem,), exit_code=1)

    def _keep_results(self) -> None:
        """Keep the failing rows, and which assertions need not run again on the same versions."""
        found = [result for result in self.tally.checked.values() if result.status in ("failed", "warned")]
        passed = [check.key for check in self.plan.checks if check.key and self._holds(check)]
        if not found and not passed:
            return
        session = self.connection.session()
        try:
            state.record_checked(session, passed, self.work.run)
            for result in found:
                state.record_failure(
                    session,
                    self.lease.environment,
                    state.Failure(
                        self.work.run, result.block or result.assertion, result.assertion, result.severity, result.failing,
                        result.columns, result.sample, "\n".join(problem.message for problem in result.problems),
                    ),
                )  # fmt: skip
            if found:
                state.forget_old_failures(session, self.lease.environment)
        except SqlflowError as error:
            self.work.tell(
                events.Warned(self.work.run, f"the failing rows could not be kept: {error.problems[0].message}")
            )
        finally:
            session.close()

    def _holds(self, check: Check) -> bool:
        """Tell whether an assertion has passed, and on the files that its key is of."""
        return self.tally.has_passed(check) and all(map(self.plan.files.hold, check.assertion.code.files))

    def _published(self) -> Report:
        passing = self.tally.passing()
        is_whole = not self.tally.bad
        if not is_whole and (self.options.publish == "all" or not passing):
            self._call_back(())
            offered = self.options.publish == "all" and passing
            hint = "; `--publish passing` would publish what passed" if offered else ""
            self.work.tell(events.NotPublished(self.work.run, f"nothing was published{hint}"))
            return self.tally.report("failed")
        started = time.perf_counter()
        session = self.connection.session()
        try:
            new = {name: self.work.binder.relations[name] for name in passing}
            relations = publish.to_show(self.plan, new, self.connection, session, self.lease.environment)
            self.exports = written_aside(self.work, passing, session, lambda: not self.loop.done.empty())
            prune = self.options.prune and is_whole and bool(self.plan.removed)
            if not relations and not prune:
                status: RunStatus = "succeeded" if is_whole and not self.tally.failures() else "failed"
                return self._copied(session, status)
            waiting = self.connection.settle(lambda: not self.loop.done.empty())
            if stopped := self.loop.heard():
                return self._stopped(stopped)
            if waiting:
                message = f"published over readers that have begun before, who may find tables empty: {waiting}"
                self.work.tell(events.Warned(self.work.run, message))
            dropped = publish.publish(
                self.connection,
                session,
                self.plan,
                relations,
                self.lease,
                prune,
                self.options.adopt,
                self.options.cascade,
            )
            self.work.tell(events.Published(self.work.run, len(relations), time.perf_counter() - started))
            built = self.work.binder.relations
            aside = _names(built[name] for name in self.tally.bad if name in built)
            _sweep(self.connection, session, aside, self.plan, self.lease, self.work.tell)
            shown = tuple(map(self.lease.environment.relation, relations))
            self._call_back(passing)
            return self._copied(session, "succeeded" if is_whole else "failed", shown, dropped)
        except SqlflowError as error:
            if isinstance(error, ExportStopped) and (stopped := self.loop.heard()):
                return self._stopped(stopped)
            self.work.tell(events.NotPublished(self.work.run, str(error)))
            return self.tally.report("failed", problems=error.problems, exit_code=error.exit_code)
        finally:
            forget(self.exports)
            session.close()

    def _call_back(self, published: Iterable[TableName]) -> None:
        """Run the statements that blocks want to be run now, if there are any."""
        if not any(self.plan.block(name).flow != PLAIN for name in self.tally.results):
            return
        session = self.work.open_session()
        try:
            call_back(self.work, self.tally, published, session)
        finally:
            session.close()

    def _copied(
        self, session: Session, status: RunStatus, published: tuple[TableName, ...] = (), dropped: tuple[TableName, ...] = (),
    ) -> Report:  # fmt: skip
        """Finish, with the files that blocks export, and a copy of what `prod` shows where the target wants one."""
        try:
            put_in_place(self.exports, self.work)
            publish.copy(self.connection, session, self.lease.environment)
        except SqlflowError as error:
            return self.tally.report("failed", published, dropped, error.problems, error.exit_code)
        return self.tally.report(status, published, dropped)


def _sweep(connection: Connection, session: Session, keep: list[str], plan: Plan, lease: Lease, tell: Listener) -> None:
    """Drop what is not needed any more. What cannot be dropped now is dropped by a later run."""
    try:
        sweep(connection, session, lease.environment, keep, plan.project.config.keep)
    except SqlflowError as error:
        tell(events.Warned(lease.owner, f"old versions could not be dropped: {error.problems[0].message}"))


def _used(plan: Plan) -> Iterator[TableName]:
    """Yield what is there and the run needs, although nothing may show it."""
    yield from (*plan.reused.values(), *plan.bases.values())
    for ranges in plan.ranges.values():
        yield from ranges.found.values()


def _names(relations: Iterable[TableName]) -> list[str]:
    return [relation.name for relation in relations]
