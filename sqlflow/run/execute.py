"""Executes a plan: builds and checks side by side in the right order, then publishes."""

import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from graphlib import TopologicalSorter
from typing import Literal, TypeVar

from sqlflow.core import events
from sqlflow.core.block import Block
from sqlflow.core.engine import Connection, Session
from sqlflow.core.errors import BuildError, Cancelled, Problem, SqlflowError, TargetError
from sqlflow.core.events import Listener
from sqlflow.core.names import TableName
from sqlflow.plan.graph import Resolver
from sqlflow.plan.plan import Check, Plan
from sqlflow.plan.unit_tests import tests_of
from sqlflow.plan.versions import version_relation
from sqlflow.read.render import Renderer
from sqlflow.run import publish, sources, state
from sqlflow.run.build import Built, build, current_query, found_or_built, record_recipe
from sqlflow.run.check import check
from sqlflow.run.compose import Binder
from sqlflow.run.cutoff import Cutoff
from sqlflow.run.lease import Lease, described
from sqlflow.run.order import Node, edges
from sqlflow.run.pools import Pools
from sqlflow.run.report import AssertionResult, BlockResult, Report, RunStatus, UnitTestResult
from sqlflow.run.retry import is_lost, retried
from sqlflow.run.signals import told_to
from sqlflow.run.sweep import sweep
from sqlflow.run.unit_tests import UnitTests
from sqlflow.run.work import Work
from sqlflow.run.workers import Workers

T = TypeVar("T")
Outcome = Built | AssertionResult | SqlflowError | Literal["not begun"] | None


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is executed."""

    threads: int = 4
    publish: Literal["all", "passing"] = "all"
    fail_fast: bool = False
    prune: bool = False
    adopt: bool = False
    cascade: bool = False


def new_run() -> str:
    """Return an id that is unique and sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3] + secrets.token_hex(2)


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
        _sweep(connection, session, _names(plan.reused.values()), plan, lease, tell)
        binder = binder_of(plan, state.read_from(connection, session, lease.environment), run)
    finally:
        session.close()
    tell = _one_at_a_time(tell)
    workers = tests.workers if tests else Workers(plan.project.root)
    work = Work(run, binder, renderer, plan, workers, partial(connection.session, run), tell)
    if tests is not None:
        tests.tell = tell
    return _Execution(plan, connection, work, options, tell, lease, tests).report()


def _one_at_a_time(tell: Listener) -> Listener:
    """Return a listener that workers may call at any time: it hears one event after the other."""
    lock = threading.Lock()

    def locked(event: events.Event) -> None:
        with lock:
            tell(event)

    return locked


@dataclass
class _Execution:
    """One run while it lasts."""

    plan: Plan
    connection: Connection
    work: Work
    options: Options
    tell: Listener
    lease: Lease
    tests: UnitTests | None = None
    unit_tested: list[UnitTestResult] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    results: dict[TableName, BlockResult] = field(default_factory=dict)
    checked: dict[str, AssertionResult] = field(default_factory=dict)
    bad: dict[TableName, str] = field(default_factory=dict)
    """Blocks that will not be published, and why."""
    sessions: list[Session] = field(default_factory=list)
    local: threading.local = field(default_factory=threading.local)
    done: "queue.SimpleQueue[tuple[Node | None, Outcome]]" = field(default_factory=queue.SimpleQueue)
    """What workers have finished; no node and Cancelled for a signal."""
    stopping: str = ""
    exit_code: int = 1
    """That of a run that fails: another one if it was the target that failed."""
    has_reconnected: bool = False
    pools: Pools = field(default_factory=Pools)
    cutoff: Cutoff = field(init=False)

    def __post_init__(self) -> None:
        self.cutoff = Cutoff(self.plan)

    def report(self) -> Report:
        run, plan = self.work.run, self.plan
        where = plan.project.target.name, self.lease.environment.name
        tests = len(tests_of(plan.graph, plan.built)) if self.tests else 0
        self.tell(events.RunStarted(run, *where, len(plan.built), len(plan.checks), tests))
        for name, reason in self.plan.left_out.items():
            self._skip(name, reason)
        if self.lease.interrupted:
            self.tell(events.Warned(run, f"{described(self.lease.interrupted)}, was interrupted"))
        with told_to(lambda exit_code: self.done.put((None, Cancelled(exit_code)))):
            try:
                self._work_through()
            except Cancelled as error:
                return self._finished("cancelled", exit_code=error.exit_code)
            finally:
                self._keep_results()
            stopped = self._heard()
            return self._finished("cancelled", exit_code=stopped.exit_code) if stopped else self._published()

    def _heard(self) -> Cancelled | None:
        """Return the signal that came when all work had been done; from here on none is heard."""
        with suppress(queue.Empty):
            return next(outcome for _, outcome in iter(self.done.get_nowait, None) if isinstance(outcome, Cancelled))
        return None

    def _work_through(self) -> None:
        waits = edges(self.plan)
        position = {node: number for number, node in enumerate(waits)}
        sorter: TopologicalSorter[Node] = TopologicalSorter(waits)
        sorter.prepare()
        pool = ThreadPoolExecutor(self.options.threads, thread_name_prefix="sqlflow")
        try:
            running = 0
            waiting: list[Node] = []
            while sorter.is_active():
                skipped = False
                ready = sorted((*waiting, *sorter.get_ready()), key=position.__getitem__)
                waiting = []
                for node in ready:
                    if self._is_skipped(node):
                        sorter.done(node)
                        skipped = True
                    elif self.pools.taken(self.plan, node):
                        pool.submit(self._work_on, node)
                        running += 1
                    else:
                        waiting.append(node)
                if running and not skipped:
                    done, outcome = self.done.get()
                    if isinstance(outcome, Cancelled):
                        self._stop(pool)
                        raise outcome
                    assert done is not None
                    running -= 1
                    self.pools.leave(self.plan, done)
                    self._take(done, outcome)
                    sorter.done(done)
        finally:
            pool.shutdown()
            self.work.workers.close()
            for session in self.sessions:
                session.close()

    def _stop(self, pool: ThreadPoolExecutor) -> None:
        """Interrupt every session until all work has ended: a statement may begin after its interruption."""
        self.stopping = "cancelled"
        ended = threading.Event()

        def wait() -> None:
            pool.shutdown(cancel_futures=True)
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        while not ended.wait(0.02):
            self.work.workers.interrupt()
            for session in (*self.sessions, *(self.tests.sessions if self.tests else ())):
                session.interrupt()

    def _session(self) -> Session:
        session: Session | None = getattr(self.local, "session", None)
        if session is None:
            session = self.local.session = self.work.open_session()
            self.sessions.append(session)
        return session

    def _is_skipped(self, node: Node) -> bool:
        """Tell whether a node cannot be worked on, and note why."""
        if isinstance(node, Check):
            return self._is_check_skipped(node)
        reason = self.stopping
        for name in sorted(self.plan.graph.inputs[node]):
            if not reason and name in self.bad:
                reason = f"`{name}` {self.bad[name]}"
        if not reason:
            return False
        self.bad.setdefault(node, "was skipped")
        if node not in self.plan.inlined:
            self._skip(node, reason)
        return True

    def _skip(self, name: TableName, reason: str) -> None:
        self.results[name] = BlockResult(name, "skipped", reason=reason)
        self.tell(events.BlockSkipped(self.work.run, str(name), reason))

    def _is_check_skipped(self, check: Check) -> bool:
        missing = sorted(name for name in check.after if name in self.bad)
        if not missing and not self.stopping:
            return False
        assertion = check.assertion
        self.checked[assertion.key] = AssertionResult(
            assertion.name, str(assertion.block or ""), assertion.severity, "skipped", description=assertion.description
        )
        for name in check.gates:
            why = f"`{missing[0]}` {self.bad[missing[0]]}" if missing else self.stopping
            self.bad.setdefault(name, f"could not be checked by `{assertion.name}`: {why}")
        return True

    def _work_on(self, node: Node) -> None:
        """Build or check in a worker's thread; whatever is raised is handed to the main thread."""
        try:
            self.done.put((node, self._outcome(node)))
        except SqlflowError as error:
            self._failed()
            self.done.put((node, error))
        except BaseException as error:  # noqa: BLE001  a worker must not die unheard
            self.done.put((node, _internal(error)))

    def _outcome(self, node: Node) -> Outcome:
        if self.stopping:
            return "not begun"
        if isinstance(node, Check):
            assertion = node.assertion
            result = self._steadily(assertion.key, lambda session: check(self.work, assertion, session))
            if result.status == "failed":
                self._failed()
            return result
        block = self.plan.block(node)
        if node in self.plan.inlined:
            if block.query is not None and block.query.dynamic:
                self.work.binder.queries[node] = current_query(self.work, block, self._session())  # type: ignore[index]
            return None
        if node in self.plan.reused:
            self._renew(node, self.plan.reused[node])
            self.results[node] = BlockResult(node, "reused", relation=self.plan.reused[node])
            self.tell(events.BlockReused(self.work.run, str(node)))
            return None
        same = self.cutoff.unchanged(node, self.work.binder.relations, self.work.doubtful, self._session())
        if same is not None:
            self.work.binder.relations[node] = same  # type: ignore[index]
            self._renew(node, same)
            self.results[node] = BlockResult(node, "reused", relation=same)
            self.tell(events.BlockReused(self.work.run, str(node)))
            return None
        self.tell(events.BlockStarted(self.work.run, str(node)))
        self._refuse_failing(node)
        started = time.perf_counter()
        built = self._steadily(str(node), lambda session: self._build(block, session))
        seconds = time.perf_counter() - started
        self.tell(events.BlockBuilt(self.work.run, str(node), block.config.materialize, built.rows, seconds))
        self.results[node] = BlockResult(node, "built", seconds, built.relation, built.rows)
        return built

    def _refuse_failing(self, name: TableName) -> None:
        """Run the unit tests of a block. Raise BuildError if it does not do what one of them says."""
        results = self.tests.results(name) if self.tests and not self.stopping else ()
        self.unit_tested += results
        failed = [result for result in results if result.status == "failed"]
        if failed:
            raise BuildError(Problem(f"its unit test `{result.test}` fails", result.place) for result in failed)

    def _renew(self, name: TableName, relation: TableName) -> None:
        """Keep that a version is still good, although what it was made from is not what it was."""
        if name not in self.plan.reused or name in self.plan.renewed:
            session = self._session()
            record_recipe(self.work, name, relation, session.columns(f"select * from {relation.sql}"), session)

    def _build(self, block: Block, session: Session) -> Built:
        return (found_or_built if self.has_reconnected else build)(self.work, block, session)

    def _steadily(self, what: str, attempt: Callable[[Session], T]) -> T:
        """Return what `attempt` gives; it is tried again, and this told, where the error is of a kind that passes."""

        def again(error: SqlflowError) -> bool:
            if is_lost(error):
                self.local.session, self.has_reconnected = None, True
            if not self.stopping:
                self.tell(events.Warned(self.work.run, f"`{what}` is tried again: {error.problems[0].message}"))
            return not self.stopping

        def labelled() -> T:
            session = self._session()
            session.label(f"{self.plan.project.config.name} {what} {self.work.run}")
            return attempt(session)

        return retried(labelled, again)

    def _take(self, node: Node, outcome: Outcome) -> None:
        if isinstance(outcome, TargetError):
            self.exit_code = outcome.exit_code
        if outcome == "not begun":
            self._is_skipped(node)
        elif isinstance(node, Check):
            self._take_check(node, outcome)
        elif isinstance(outcome, SqlflowError):
            self.bad[node] = "failed"
            self.results[node] = BlockResult(node, "failed", problems=outcome.problems)
            self.tell(events.BlockFailed(self.work.run, str(node), str(outcome), 0.0))

    def _take_check(self, node: Check, outcome: Outcome) -> None:
        assertion = node.assertion
        if isinstance(outcome, SqlflowError):
            outcome = AssertionResult(
                assertion.name, str(assertion.block or ""), assertion.severity, "failed", problems=outcome.problems
            )
        assert isinstance(outcome, AssertionResult)
        self.checked[assertion.key] = outcome
        error = "\n".join(map(str, outcome.problems))
        self.tell(
            events.AssertionFinished(
                self.work.run,
                outcome.block,
                outcome.assertion,
                _told_status(outcome),
                outcome.failing,
                outcome.seconds,
                error,
            )
        )
        if outcome.status == "failed":
            for name in node.gates:
                self.bad.setdefault(name, f"failed its assertion `{assertion.name}`")

    def _failed(self) -> None:
        if self.options.fail_fast and not self.stopping:
            self.stopping = "stopped after the first failure"

    def _keep_results(self) -> None:
        """Keep the failing rows, and which assertions need not run again on the same versions."""
        found = [result for result in self.checked.values() if result.status in ("failed", "warned")]
        passed = [check.key for check in self.plan.checks if check.key and self._has_passed(check)]
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
            self.tell(events.Warned(self.work.run, f"the failing rows could not be kept: {error.problems[0].message}"))
        finally:
            session.close()

    def _has_passed(self, check: Check) -> bool:
        result = self.checked.get(check.assertion.key)
        return result is not None and result.status == "passed"

    def _passing(self) -> list[TableName]:
        """Return the built and reused blocks that hold, and whose inputs in this run all hold, inputs first."""
        wrong = set(self.bad)
        for name in self.plan.graph.order:
            if self.plan.graph.inputs[name] & wrong:
                wrong.add(name)
        return [
            name
            for name in self.plan.graph.order
            if name not in wrong and name in self.results and name not in self.plan.left_out
        ]

    def _to_show(self, passing: list[TableName], session: Session) -> dict[TableName, TableName]:
        """Return the relation of each block that is not shown as it is: of those that pass, and of those of `prod`."""
        environment = self.lease.environment
        shown, looks = state.shown(self.connection, session, environment), state.looks(session, environment)
        relations = {**self.plan.borrowed, **{name: self.work.binder.relations[name] for name in passing}}
        return {
            name: relation
            for name, relation in relations.items()
            if shown.get(name) != relation or looks[name] != publish.look_of(self.plan.block(name))
        }

    def _published(self) -> Report:
        passing = self._passing()
        is_whole = not self.bad
        if not is_whole and (self.options.publish == "all" or not passing):
            offered = self.options.publish == "all" and passing
            hint = "; `--publish passing` would publish what passed" if offered else ""
            self.tell(events.NotPublished(self.work.run, f"nothing was published{hint}"))
            return self._finished("failed")
        started = time.perf_counter()
        session = self.connection.session()
        try:
            relations = self._to_show(passing, session)
            prune = self.options.prune and is_whole and bool(self.plan.removed)
            if not relations and not prune:
                status: RunStatus = "succeeded" if is_whole and not self._failures() else "failed"
                return self._copied(session, status)
            waiting = self.connection.settle(lambda: not self.done.empty())
            if stopped := self._heard():
                return self._finished("cancelled", exit_code=stopped.exit_code)
            if waiting:
                message = f"published over readers that have begun before, who may find tables empty: {waiting}"
                self.tell(events.Warned(self.work.run, message))
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
            self.tell(events.Published(self.work.run, len(relations), time.perf_counter() - started))
            built = self.work.binder.relations
            aside = _names(built[name] for name in self.bad if name in built)
            _sweep(self.connection, session, aside, self.plan, self.lease, self.tell)
            shown = tuple(map(self.lease.environment.relation, relations))
            return self._copied(session, "succeeded" if is_whole else "failed", shown, dropped)
        except SqlflowError as error:
            self.tell(events.NotPublished(self.work.run, str(error)))
            return self._finished("failed", problems=error.problems, exit_code=error.exit_code)
        finally:
            session.close()

    def _copied(
        self, session: Session, status: RunStatus, published: tuple[TableName, ...] = (), dropped: tuple[TableName, ...] = (),
    ) -> Report:  # fmt: skip
        """Finish, with a copy of what `prod` shows where the target wants one."""
        try:
            publish.copy(self.connection, session, self.lease.environment)
        except SqlflowError as error:
            return self._finished("failed", published, dropped, error.problems, error.exit_code)
        return self._finished(status, published, dropped)

    def _failures(self) -> list[AssertionResult]:
        return [result for result in self.checked.values() if result.status == "failed"]

    def _finished(
        self, status: RunStatus, published: tuple[TableName, ...] = (), dropped: tuple[TableName, ...] = (),
        problems: tuple[Problem, ...] = (), exit_code: int | None = None,
    ) -> Report:  # fmt: skip
        if status == "succeeded" and any(result.status == "warned" for result in self.checked.values()):
            status = "warned"
        seconds = time.perf_counter() - self.started
        self.tell(events.RunFinished(self.work.run, status, seconds))
        if exit_code is None:
            exit_code = self.exit_code if status == "failed" else 0
        blocks = tuple(self._result(name) for name in self.plan.graph.order if name in self.results)
        checks = tuple(self.checked[c.assertion.key] for c in self.plan.checks if c.assertion.key in self.checked)
        return Report(
            self.work.run,
            self.plan.project.target.name,
            status,
            seconds,
            blocks,
            checks,
            published,
            dropped,
            problems,
            exit_code,
            tuple(sorted(self.unit_tested, key=lambda result: (result.block, result.test))),
        )

    def _result(self, name: TableName) -> BlockResult:
        """Return how it went with a block: with the reason, if its version is there and held back."""
        result = self.results[name]
        return replace(result, reason=self.bad.get(name, "")) if result.status in ("built", "reused") else result


def _sweep(connection: Connection, session: Session, keep: list[str], plan: Plan, lease: Lease, tell: Listener) -> None:
    """Drop what is not needed any more. What cannot be dropped now is dropped by a later run."""
    try:
        sweep(connection, session, lease.environment, keep, plan.project.config.keep)
    except SqlflowError as error:
        tell(events.Warned(lease.owner, f"old versions could not be dropped: {error.problems[0].message}"))


def _names(relations: Iterable[TableName]) -> list[str]:
    return [relation.name for relation in relations]


def _told_status(result: AssertionResult) -> events.AssertionStatus:
    return "passed" if result.status == "skipped" else result.status


def _internal(error: BaseException) -> SqlflowError:
    fault = SqlflowError(f"internal error: {type(error).__name__}: {error}", hint="please report it, with `--debug`")
    fault.__cause__ = error
    return fault
